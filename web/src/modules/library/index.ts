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
  ],
}

export default library
