import { describe, expect, it, vi } from 'vitest'
import { withSetup } from '#tests/harness'
import { api } from '@/api/client'
import { notify } from '@/ui/notify'
import { useBulk } from './useBulk'

vi.mock('@/ui/notify')

describe('useBulk', () => {
  it.each([['restore', '1 video restored'], ['publish', '1 video changed']] as const)('says after %s: %s', async (action, words) => {
    const answer = { data: { results: { 7: 'done' }, done: 1 }, response: new Response() }
    vi.spyOn(api, 'POST').mockResolvedValue(answer as never)
    const { result } = await withSetup(useBulk)
    result.act(action, [7])
    await vi.waitFor(() => {
      expect(notify).toHaveBeenCalledWith('success', words)
    })
  })
})
