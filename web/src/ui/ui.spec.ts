import { flushPromises, mount, type VueWrapper } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { h } from 'vue'
import { ApiError, networkError } from '@/api/errors'
import { mountWith, withSetup } from '#tests/harness'
import { chartOption, withGaps } from './charts/options'
import DataState from './DataState.vue'
import DataTable from './DataTable.vue'
import { useServerForm } from './form'
import { useIntervalFn } from './interval'
import LogTail from './LogTail.vue'
import MenuButton from './MenuButton.vue'
import Pager from './Pager.vue'
import { pageNumbers } from './pages'
import UserAvatar from './UserAvatar.vue'
import { useListQuery } from './useListQuery'

afterEach(() => {
  document.body.innerHTML = ''
})

describe('DataTable', () => {
  const columns = [
    { key: 'name', title: 'Name', sortable: true, lead: true },
    { key: 'size', title: 'Size', end: true },
  ]
  const rows = [
    { id: 1, name: 'a', size: 5 },
    { id: 2, name: 'b', size: 0 },
  ]

  it('fills cells from slots, else from the row', async () => {
    const wrapper = await mountWith(DataTable, { columns, rows, caption: 'Files' }, { 'cell-name': ({ row }: { row: { name: string } }) => h('b', row.name) })
    expect(wrapper.findAll('tbody b').map((cell) => cell.text())).toEqual(['a', 'b'])
    expect(wrapper.findAll('tbody td').map((cell) => cell.text())).toEqual(['a', '5', 'b', '0'])
    expect(wrapper.find('table').attributes('aria-label')).toBe('Files')
  })

  it('turns the order around and says it to screen readers', async () => {
    const wrapper = await mountWith(DataTable, { columns, rows, caption: 'Files', sort: 'name' })
    expect(wrapper.find('th').attributes('aria-sort')).toBe('ascending')
    await wrapper.find('th button').trigger('click')
    await wrapper.setProps({ sort: '-name' })
    expect(wrapper.find('th').attributes('aria-sort')).toBe('descending')
    await wrapper.find('th button').trigger('click')
    expect(wrapper.emitted('update:sort')).toEqual([['-name'], ['name']])
  })
})

describe('DataState', () => {
  const slots = { default: () => 'data', empty: () => 'nothing' }

  it('shows one of loading, failure, nothing, data', async () => {
    const wrapper = await mountWith(DataState, { pending: true, error: null }, slots)
    expect(wrapper.find('[data-test=loading]').exists()).toBe(true)
    await wrapper.setProps({ pending: false, error: new ApiError(500, 'x', 'It broke.', [], 'r-9') })
    expect(wrapper.text()).toContain('It broke.')
    expect(wrapper.text()).toContain('r-9')
    await wrapper.find('button').trigger('click')
    expect(wrapper.emitted('retry')).toHaveLength(1)
    await wrapper.setProps({ error: null, empty: true })
    expect(wrapper.text()).toBe('nothing')
    await wrapper.setProps({ empty: false })
    expect(wrapper.text()).toBe('data')
  })

  it('keeps what is there when it cannot be renewed, and says so', async () => {
    const wrapper = await mountWith(DataState, { pending: false, error: null, empty: false }, slots)
    await wrapper.setProps({ error: networkError() })
    expect(wrapper.text()).toContain('data')
    expect(wrapper.find('[role=alert]').text()).toContain('cannot be reached')
    expect(wrapper.find('[data-test=load-error]').exists()).toBe(false)
    await wrapper.find('button').trigger('click')
    expect(wrapper.emitted('retry')).toHaveLength(1)
    await wrapper.setProps({ error: null })
    expect(wrapper.text()).toBe('data')
  })
})

describe('Pager', () => {
  it.each([
    [1, 1, [1]],
    [1, 5, [1, 2, null, 5]],
    [3, 5, [1, 2, 3, 4, 5]],
    [4, 9, [1, 2, 3, 4, 5, null, 9]],
    [50, 100, [1, null, 49, 50, 51, null, 100]],
    [1, 0, []],
  ])('page %d of %d offers %j', (page, pages, numbers) => {
    expect(pageNumbers(page, pages)).toEqual(numbers)
  })

  it('marks the present page and asks for others', async () => {
    const wrapper = await mountWith(Pager, { page: 2, pages: 3, total: 50 })
    expect(wrapper.find('[aria-current=page]').text()).toBe('2')
    await wrapper.find('[aria-label="Next page"]').trigger('click')
    expect(wrapper.emitted('go')).toEqual([[3]])
  })
})

describe('useListQuery', () => {
  it('reads filters, page and order from the address', async () => {
    const { result } = await withSetup(() => useListQuery(['q', 'role'], 'name'), '/?q=lin&page=3&sort=-name')
    expect([result.filters.q.value, result.filters.role.value, result.page.value, result.sort.value]).toEqual(['lin', '', 3, '-name'])
    expect(result.isFiltered.value).toBe(true)
  })

  it.each(['0', '-1', 'x', '1e99x', ''])('takes page %j for the first', async (page) => {
    const { result } = await withSetup(() => useListQuery([]), `/?page=${page}`)
    expect(result.page.value).toBe(1)
  })

  it('writes changes back and goes to the first page', async () => {
    const { result, router } = await withSetup(() => useListQuery(['q'], 'name'), '/?page=4&other=kept')
    result.filters.q.value = 'wang'
    await flushPromises()
    expect(router.currentRoute.value.query).toEqual({ q: 'wang', other: 'kept' })
    result.page.value = 2
    await flushPromises()
    expect(router.currentRoute.value.query).toMatchObject({ page: '2' })
    result.reset()
    await flushPromises()
    expect(router.currentRoute.value.query).toEqual({ other: 'kept' })
  })
})

describe('useServerForm', () => {
  it('puts words at the fields that the form has, and the rest on top', async () => {
    const { result } = await withSetup(() => useServerForm(['email']))
    const fail = (field: string) => () => Promise.reject(new ApiError(422, 'x', 'Bad.', [{ field, message: 'Bad.' }]))
    expect(await result.submit(fail('email'))).toBe(false)
    expect([result.fields.value, result.general.value]).toEqual([{ email: 'Bad.' }, null])
    await result.submit(fail('elsewhere'))
    expect([result.fields.value, result.general.value]).toEqual([{}, 'Bad.'])
    await result.submit(() => Promise.reject(networkError()))
    expect(result.general.value).toContain('cannot be reached')
    expect(await result.submit(() => Promise.resolve())).toBe(true)
    expect(result.general.value).toBeNull()
  })

  it('sends once however often the button is pressed', async () => {
    const { result } = await withSetup(() => useServerForm([]))
    let finish = (): void => undefined
    const action = vi.fn(() => new Promise<void>((resolve) => (finish = resolve)))
    const first = result.submit(action)
    expect(await result.submit(action)).toBe(false)
    finish()
    expect(await first).toBe(true)
    expect(action).toHaveBeenCalledTimes(1)
  })
})

describe('useIntervalFn', () => {
  let hidden = false
  beforeEach(() => {
    vi.useFakeTimers()
    vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden)
  })
  afterEach(() => {
    hidden = false
    vi.useRealTimers()
  })

  const look = (value: boolean): void => {
    hidden = value
    document.dispatchEvent(new Event('visibilitychange'))
  }

  it('rests while the page is hidden, acts at its return, and ends with the component', async () => {
    const act = vi.fn()
    const { wrapper } = await withSetup(() => {
      useIntervalFn(act, 1000)
    })
    vi.advanceTimersByTime(2000)
    expect(act).toHaveBeenCalledTimes(2)
    look(true)
    vi.advanceTimersByTime(60_000)
    expect(act).toHaveBeenCalledTimes(2)
    look(false)
    expect(act).toHaveBeenCalledTimes(3)
    wrapper.unmount()
    vi.advanceTimersByTime(60_000)
    look(true)
    look(false)
    expect(act).toHaveBeenCalledTimes(3)
  })
})

describe('charts', () => {
  it('end the line where nothing was measured', () => {
    expect(withGaps([[0, 1], [10, 2], [100, 3]], 30)).toEqual([[0, 1], [10, 2], [11, null], [100, 3]])
  })

  it('build the tooltip from elements, so that a name is never read as markup', () => {
    const look = { format: (value: number) => `${String(value)} %`, formatTime: () => '12:00', token: () => '#000' }
    const option = chartOption([{ name: '<img src=x>', color: '--c', points: [[1, 2]] }], look)
    const tooltip = option['tooltip'] as { formatter: (hovered: unknown[]) => HTMLElement }
    const box = tooltip.formatter([{ seriesName: '<img src=x>', color: '#000', value: [1, 2] }])
    expect(box.querySelector('img')).toBeNull()
    expect(box.textContent).toBe('12:00<img src=x>: 2 %')
  })
})

describe('LogTail', () => {
  it('shows markup in a log as text', async () => {
    const wrapper = await mountWith(LogTail, { text: '<script>alert(1)</script>', label: 'Log', none: 'None' })
    expect(wrapper.find('script').exists()).toBe(false)
    expect(wrapper.text()).toBe('<script>alert(1)</script>')
  })
})

describe('UserAvatar', () => {
  it.each([
    ['lin', 'L'],
    ['林薇', '林'],
    ['𠮷野', '𠮷'],
    ['  ', '?'],
  ])('%j has the letter %s', (name, letter) => {
    expect(mount(UserAvatar, { props: { name } }).text()).toBe(letter)
  })
})

describe('MenuButton', () => {
  const items = [
    { key: 'a', label: 'First' },
    { key: 'b', label: 'Second' },
    { key: 'c', label: 'Third' },
  ]
  const press = async (wrapper: VueWrapper, key: string): Promise<void> => {
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
    await wrapper.vm.$nextTick()
  }

  it('opens, moves around, chooses and gives the focus back, all by keyboard', async () => {
    const wrapper = await mountWith(MenuButton, { label: 'Menu', items }, { default: () => 'x' })
    const toggle = wrapper.find('button')
    expect(toggle.attributes('aria-expanded')).toBe('false')
    await toggle.trigger('click')
    await flushPromises()
    expect(document.activeElement?.textContent.trim()).toBe('First')
    for (const [key, text] of [['ArrowUp', 'Third'], ['ArrowDown', 'First'], ['ArrowDown', 'Second'], ['End', 'Third'], ['Home', 'First']] as const) {
      await press(wrapper, key)
      expect(document.activeElement?.textContent.trim()).toBe(text)
    }
    await wrapper.findAll('[role=menuitem]')[1]?.trigger('click')
    expect(wrapper.emitted('choose')).toEqual([['b']])
    expect(wrapper.find('[role=menu]').exists()).toBe(false)
    expect(document.activeElement).toBe(toggle.element)
  })

  it.each(['Escape', 'Tab'])('closes on %s', async (key) => {
    const wrapper = await mountWith(MenuButton, { label: 'Menu', items })
    await wrapper.find('button').trigger('click')
    await flushPromises()
    await press(wrapper, key)
    expect(wrapper.find('[role=menu]').exists()).toBe(false)
  })

  it('closes on a press anywhere else', async () => {
    const wrapper = await mountWith(MenuButton, { label: 'Menu', items })
    await wrapper.find('button').trigger('click')
    document.body.dispatchEvent(new Event('pointerdown', { bubbles: true }))
    await flushPromises()
    expect(wrapper.find('[role=menu]').exists()).toBe(false)
  })
})
