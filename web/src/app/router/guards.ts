import type { RouteLocationNormalized, RouteLocationRaw } from 'vue-router'
import type { useSession } from '@/app/stores/session'
import { safeRedirect } from '@/lib/redirect'

type Session = Pick<ReturnType<typeof useSession>, 'isSignedIn' | 'can'>

/** Where to go instead of `to`, or true to go there. The server checks everything again. */
export function decide(to: Pick<RouteLocationNormalized, 'meta' | 'fullPath' | 'query'>, session: Session): RouteLocationRaw | true {
  const { guestOnly, signedIn, permission } = to.meta
  if (guestOnly) return session.isSignedIn ? safeRedirect(to.query['redirect']) : true
  if (!session.isSignedIn && (signedIn ?? permission !== undefined)) {
    return { name: 'login', query: { redirect: to.fullPath } }
  }
  if (permission !== undefined && !session.can(permission)) return { name: 'forbidden', replace: true }
  return true
}
