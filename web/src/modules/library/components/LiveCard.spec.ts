import { QueryClient } from '@tanstack/vue-query'
import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import { plugins, routerAt } from '#tests/harness'
import type { LiveSource } from '../composables/types'
import LiveCard from './LiveCard.vue'

const source: LiveSource = {
  id: 7,
  name: 'Hall',
  visibility: 'public',
  is_live: true,
  is_interrupted: false,
  on_demand: false,
  since: null,
  viewers: 3,
  poster_url: null,
}

it('says whether a stream is live, interrupted, or fetched on demand', async () => {
  const router = await routerAt('/')
  router.addRoute({ path: '/watch/:id', name: 'watch', component: { render: () => null } })
  const wrapper = mount(LiveCard, { props: { source }, global: { plugins: plugins(router, new QueryClient()) } })
  const badge = () => wrapper.find('.badge').text()
  expect(badge()).toBe('LIVE')
  expect(wrapper.text()).toContain('3 watching')
  await wrapper.setProps({ source: { ...source, is_interrupted: true } })
  expect(badge()).toBe('INTERRUPTED')
  await wrapper.setProps({ source: { ...source, is_live: false, on_demand: true } })
  expect(badge()).toBe('On demand')
})
