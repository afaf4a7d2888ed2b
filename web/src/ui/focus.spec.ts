import { flushPromises } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Component, defineComponent, h } from 'vue'
import { mountWith } from '#tests/harness'
import DataTable from './DataTable.vue'
import Dialog from './Dialog.vue'

afterEach(() => {
  document.body.innerHTML = ''
})

const focused = (): string | null | undefined => document.activeElement?.getAttribute('name') ?? document.activeElement?.tagName

describe('a dialog', () => {
  const form = () => h('form', [h('input', { type: 'hidden' }), h('input', { name: 'first' }), h('input', { name: 'second' })])
  const open = async (content: () => unknown) => {
    const wrapper = await mountWith(Dialog, { modelValue: false, title: 'Sheet' }, { default: content })
    await wrapper.setProps({ modelValue: true })
    await flushPromises()
    await vi.waitFor(() => {
      expect(document.querySelector('[role=dialog]')).not.toBeNull()
    })
    await flushPromises()
    return wrapper
  }

  it('begins at the first field of its form', async () => {
    const wrapper = await open(form)
    expect(focused()).toBe('first')
    wrapper.unmount()
  })

  it('does not do so for fingers, which would get a keyboard', async () => {
    vi.spyOn(window, 'matchMedia').mockImplementation((query) => ({ matches: query === '(pointer: coarse)' }) as MediaQueryList)
    const wrapper = await open(form)
    expect(focused()).not.toBe('first')
    wrapper.unmount()
  })

  it('leaves the focus where it is when it has no form', async () => {
    const wrapper = await open(() => h('input', { name: 'copy' }))
    expect(focused()).not.toBe('copy')
    wrapper.unmount()
  })
})

describe('the focus in a table', () => {
  const rowsOf = (...ids: number[]) => ids.map((id) => ({ id }))
  const columns = [{ key: 'id', title: 'Id' }, { key: 'acts', title: 'Acts' }]
  const acts = ({ row }: { row: { id: number } }) => ['edit', 'drop'].map((act) => h('button', { 'data-test': act, name: `${act}-${String(row.id)}` }, act))
  const Page = defineComponent({
    props: { rows: { type: Array as () => { id: number }[], required: true } },
    render() {
      const table = this.rows.length > 0 ? h(DataTable as Component, { columns, rows: this.rows, caption: 'Rows' }, { 'cell-acts': acts }) : null
      return h('div', [h('h1', 'Title'), table])
    },
  })
  const press = (name: string): void => document.querySelector<HTMLElement>(`[name=${name}]`)?.focus()
  const page = async (...ids: number[]) => {
    const wrapper = await mountWith(Page, { rows: rowsOf(...ids) })
    return { wrapper, show: async (...left: number[]) => { await wrapper.setProps({ rows: rowsOf(...left) }); await flushPromises() } }
  }

  it('goes to the same button of the row that takes the place of one that is gone', async () => {
    const { show } = await page(1, 2, 3)
    press('drop-2')
    await show(1, 3)
    expect(focused()).toBe('drop-3')
    await show(1)
    expect(focused()).toBe('drop-1')
  })

  it('goes to the title of the page when no row is left', async () => {
    const { show } = await page(1)
    press('drop-1')
    await show()
    expect(focused()).toBe('H1')
  })

  it('stays away when the person has gone elsewhere', async () => {
    const { show } = await page(1, 2)
    press('drop-1')
    document.body.dispatchEvent(new Event('pointerdown', { bubbles: true }))
    await show(2)
    expect(focused()).toBe('BODY')
  })
})
