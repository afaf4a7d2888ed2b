/** Mounts components the way the app does: texts in English, Pinia, queries, a router in memory. */
import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { mount, type VueWrapper } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { type Component, defineComponent, h } from 'vue'
import { createI18n } from 'vue-i18n'
import { createMemoryHistory, createRouter, type Router } from 'vue-router'
import english from '@/app/i18n/messages/en'

export interface Harness<Result> {
  wrapper: VueWrapper
  router: Router
  client: QueryClient
  result: Result
}

export function plugins(router: Router, client: QueryClient) {
  const i18n = createI18n({ legacy: false, locale: 'en', messages: { en: english.texts as never } })
  return [createPinia(), i18n, router, [VueQueryPlugin, { queryClient: client }]] as never
}

export async function routerAt(path: string): Promise<Router> {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: '/:rest(.*)*', component: { render: () => null }, meta: { layout: 'plain', title: 'app.home' } }],
  })
  await router.push(path)
  return router
}

/** Runs `use` inside a component at `path`. */
export async function withSetup<Result>(use: () => Result, path = '/'): Promise<Harness<Result>> {
  const router = await routerAt(path)
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  let result: Result | undefined
  const host = defineComponent({
    setup() {
      result = use()
      return () => h('div')
    },
  })
  const wrapper = mount(host, { global: { plugins: plugins(router, client) } })
  return { wrapper, router, client, result: result as Result }
}

/** Mounts a component with its props. */
export async function mountWith(component: unknown, props: Record<string, unknown>, slots: Record<string, unknown> = {}): Promise<VueWrapper> {
  const router = await routerAt('/')
  const options = { props, slots, global: { plugins: plugins(router, new QueryClient()) }, attachTo: document.body }
  return mount(component as Component, options as never)
}
