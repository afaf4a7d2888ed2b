import { DataLine } from '@element-plus/icons-vue'
import type { AppModule } from '@/lib/module'

const monitoring: AppModule = {
  name: 'monitoring',
  routes: [
    {
      path: '/admin/system',
      name: 'system',
      meta: { layout: 'admin', title: 'monitoring.title', permission: 'system.read' },
      component: () => import('./pages/SystemPage.vue'),
    },
  ],
  menu: [{ to: '/admin/system', title: 'monitoring.title', icon: DataLine, permission: 'system.read', order: 10 }],
}

export default monitoring
