import { VideoCamera } from '@element-plus/icons-vue'
import type { AppModule } from '@/lib/module'

const sources: AppModule = {
  name: 'sources',
  routes: [
    {
      path: '/admin/sources',
      name: 'sources',
      meta: { layout: 'admin', title: 'sources.title', permission: 'sources.read' },
      component: () => import('./pages/SourcesPage.vue'),
    },
  ],
  menu: [{ to: '/admin/sources', title: 'sources.title', icon: VideoCamera, permission: 'sources.read', order: 1 }],
}

export default sources
