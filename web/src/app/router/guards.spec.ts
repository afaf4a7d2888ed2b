import { describe, expect, it } from 'vitest'
import type { RouteMeta } from 'vue-router'
import { decide } from './guards'

const base: RouteMeta = { layout: 'viewer', title: 'x' }
const to = (meta: Partial<RouteMeta>, query: Record<string, string> = {}) => ({ meta: { ...base, ...meta }, fullPath: '/here?x=1', query })
const guest = { isSignedIn: false, can: () => false }
const member = { isSignedIn: true, can: () => false }
const admin = { isSignedIn: true, can: () => true }

describe('decide', () => {
  it('lets everybody see public pages', () => {
    expect([guest, member, admin].map((who) => decide(to({}), who))).toEqual([true, true, true])
  })

  it('sends guests to sign in, and remembers where they wanted to go', () => {
    const login = { name: 'login', query: { redirect: '/here?x=1' } }
    expect(decide(to({ signedIn: true }), guest)).toEqual(login)
    expect(decide(to({ permission: 'jobs.read' }), guest)).toEqual(login)
  })

  it('keeps people out who lack the permission', () => {
    expect(decide(to({ permission: 'jobs.read' }), member)).toMatchObject({ name: 'forbidden' })
    expect(decide(to({ permission: 'jobs.read' }), admin)).toBe(true)
  })

  it('leads people who are signed in away from the sign-in page, but never to another site', () => {
    expect(decide(to({ guestOnly: true }), guest)).toBe(true)
    expect(decide(to({ guestOnly: true }, { redirect: '/profile' }), member)).toBe('/profile')
    expect(decide(to({ guestOnly: true }, { redirect: '//evil.example' }), member)).toBe('/')
  })
})
