import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { watch } from 'vue'
import { adminMenu, modules } from '@/app/modules'
import { i18n } from '@/app/i18n'
import { useSession } from '@/app/stores/session'
import { decide } from './guards'

const own: RouteRecordRaw[] = [
  {
    path: '/admin',
    name: 'admin',
    meta: { layout: 'admin', title: 'app.admin', signedIn: true },
    component: () => import('@/app/pages/NotFoundPage.vue'),
    beforeEnter: () => adminMenu.find((entry) => useSession().can(entry.permission))?.to ?? { name: 'forbidden' },
  },
  {
    path: '/forbidden',
    name: 'forbidden',
    meta: { layout: 'viewer', title: 'app.forbidden.title' },
    component: () => import('@/app/pages/ForbiddenPage.vue'),
  },
  {
    path: '/:rest(.*)*',
    name: 'not-found',
    meta: { layout: 'viewer', title: 'app.notFound.title' },
    component: () => import('@/app/pages/NotFoundPage.vue'),
  },
]

export const router = createRouter({
  history: createWebHistory(),
  routes: [...modules.flatMap((module) => module.routes), ...own],
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

router.beforeEach((to) => decide(to, useSession()))

/** Title of the window, in the language of the page. */
export function followTitle(): void {
  watch(
    [router.currentRoute, i18n.global.locale],
    ([route]) => {
      const title = route.meta.title as string | undefined
      document.title = title ? `${i18n.global.t(title)} · OneTake` : 'OneTake'
    },
    { immediate: true },
  )
}

/** When a session ends while a page is open, goes to the sign-in page and comes back from there. */
export function followSession(): void {
  const session = useSession()
  watch(
    () => session.isSignedIn,
    (signedIn) => {
      const route = router.currentRoute.value
      const next = decide(route, session)
      if (next !== true && (signedIn || route.meta.layout !== 'plain')) void router.replace(next)
    },
  )
}
