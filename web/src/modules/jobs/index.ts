import { Operation } from '@element-plus/icons-vue'
import type { AppModule } from '@/lib/module'

const jobs: AppModule = {
  name: 'jobs',
  routes: [
    {
      path: '/admin/jobs',
      name: 'jobs',
      meta: { layout: 'admin', title: 'jobs.title', permission: 'jobs.read' },
      component: () => import('./pages/JobsPage.vue'),
    },
  ],
  menu: [{ to: '/admin/jobs', title: 'jobs.title', icon: Operation, permission: 'jobs.read', order: 30 }],
}

export default jobs
