import { Film } from '@element-plus/icons-vue'
import type { AppModule } from '@/lib/module'

const library: AppModule = {
  name: 'library',
  routes: [
    {
      path: '/',
      name: 'home',
      meta: { layout: 'viewer', title: 'library.home.title' },
      component: () => import('./pages/HomePage.vue'),
    },
    {
      path: '/search',
      name: 'search',
      meta: { layout: 'viewer', title: 'library.search.title' },
      component: () => import('./pages/SearchPage.vue'),
    },
    {
      path: '/video/:id(\\d{1,15})',
      name: 'video',
      meta: { layout: 'viewer', title: 'library.video.title' },
      component: () => import('./pages/VideoPage.vue'),
    },
    {
      // Not below /live/: a proxy passes that on to the media server.
      path: '/watch/:id(\\d{1,15})',
      name: 'watch',
      meta: { layout: 'viewer', title: 'library.live.title' },
      component: () => import('./pages/LivePage.vue'),
    },
    {
      path: '/admin/videos',
      name: 'videos',
      meta: { layout: 'admin', title: 'library.admin.title', permission: 'videos.manage' },
      component: () => import('./pages/VideosPage.vue'),
    },
  ],
  menu: [{ to: '/admin/videos', title: 'library.admin.title', icon: Film, permission: 'videos.manage', order: 4 }],
}

export default library
