import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api, call } from '@/api/client'
import { ApiError } from '@/api/errors'
import type { components } from '@/api/generated/schema'
import { live } from '@/api/live'
import { onSigned, refreshToken, setSigned, type Signed } from '@/api/token'
import type { Me, Permission } from '@/api/types'
import { recall, remember } from '@/lib/storage'

/** What the tabs of one browser tell each other. */
type TabMessage = 'signed-in' | 'signed-out'

/** `unreachable`: the server could not be asked who we are. */
export type SessionPhase = 'starting' | 'guest' | 'signed-in' | 'unreachable'

export type RegisterForm = components['schemas']['Register']

export const useSession = defineStore('session', () => {
  const user = shallowRef<Me | null>(null)
  const phase = ref<SessionPhase>('starting')
  /** True when a session ended by itself, not by the sign-out button. */
  const ended = ref(false)
  const isSignedIn = computed(() => user.value !== null)
  const tabs = new BroadcastChannel('onetake-session')

  function take(signed: Signed | null): void {
    if (signed === null && user.value !== null) ended.value = true
    user.value = signed?.user ?? null
    phase.value = signed === null ? 'guest' : 'signed-in'
    remember('signed-in', signed === null ? null : '1')
    if (signed === null) live.close()
  }

  /** Takes over a session that was begun or ended on purpose, and tells the other tabs. */
  function settle(signed: Signed | null): void {
    setSigned(signed)
    ended.value = false
    tabs.postMessage((signed === null ? 'signed-out' : 'signed-in') satisfies TabMessage)
  }

  onSigned(take)
  tabs.onmessage = (event: MessageEvent<TabMessage>) => {
    if (event.data === 'signed-in') void refreshToken().catch(() => undefined)
    else {
      setSigned(null)
      ended.value = false
    }
  }

  return {
    user,
    phase,
    ended,
    isSignedIn,
    can: (permission: Permission) => user.value?.permissions.includes(permission) ?? false,
    start: async () => {
      phase.value = await firstPhase()
    },
    signIn: async (username: string, password: string) => {
      settle(await call(api.POST('/api/auth/login', { body: { username, password } })))
    },
    signUp: async (form: RegisterForm) => {
      settle(await call(api.POST('/api/auth/register', { body: form })))
    },
    signOut: async () => {
      await call(api.POST('/api/auth/logout'))
      settle(null)
    },
    replaceUser: (me: Me) => {
      user.value = me
    },
  }
})

/** Finds out who we are. Asks the server only if this browser was signed in before. */
async function firstPhase(): Promise<SessionPhase> {
  if (recall('signed-in') === null) return 'guest'
  try {
    return (await refreshToken()) ? 'signed-in' : 'guest'
  } catch (error) {
    if (error instanceof ApiError) return 'unreachable'
    throw error
  }
}
