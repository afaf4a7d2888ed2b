import { User } from '@element-plus/icons-vue'
import type { AppModule } from '@/lib/module'

const accounts: AppModule = {
  name: 'accounts',
  routes: [
    {
      path: '/login',
      name: 'login',
      meta: { layout: 'plain', title: 'accounts.login.title', guestOnly: true },
      component: () => import('./pages/LoginPage.vue'),
    },
    {
      path: '/register',
      name: 'register',
      meta: { layout: 'plain', title: 'accounts.register.title', guestOnly: true },
      component: () => import('./pages/RegisterPage.vue'),
    },
    {
      path: '/profile',
      name: 'profile',
      meta: { layout: 'viewer', title: 'accounts.profile.title', signedIn: true },
      component: () => import('./pages/ProfilePage.vue'),
    },
    {
      path: '/admin/users',
      name: 'users',
      meta: { layout: 'admin', title: 'accounts.users.title', permission: 'users.read' },
      component: () => import('./pages/UsersPage.vue'),
    },
  ],
  menu: [{ to: '/admin/users', title: 'accounts.users.title', icon: User, permission: 'users.read', order: 20 }],
}

export default accounts
