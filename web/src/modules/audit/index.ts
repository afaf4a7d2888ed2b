import { Document } from '@element-plus/icons-vue'
import type { AppModule } from '@/lib/module'

const audit: AppModule = {
  name: 'audit',
  routes: [
    {
      path: '/admin/audit',
      name: 'audit',
      meta: { layout: 'admin', title: 'audit.title', permission: 'audit.read' },
      component: () => import('./pages/AuditPage.vue'),
    },
  ],
  menu: [{ to: '/admin/audit', title: 'audit.title', icon: Document, permission: 'audit.read', order: 40 }],
}

export default audit
