/** How a module declares itself: its pages and its places in the menus. */
import type { Component } from 'vue'
import type { RouteRecordRaw } from 'vue-router'
import type { Permission } from '@/api/types'

export interface MenuEntry {
  /** Path of the page. */
  to: string
  /** Translation key of the label. */
  title: string
  icon: Component
  permission: Permission
  /** Entries are sorted by it, the smallest on top. */
  order: number
}

export interface AppModule {
  name: string
  routes: RouteRecordRaw[]
  /** Entries of the administration menu. */
  menu?: MenuEntry[]
}

declare module 'vue-router' {
  interface RouteMeta {
    /** Frame around the page. */
    layout: 'viewer' | 'admin' | 'plain'
    /** Translation key of the page's title. */
    title: string
    /** Only for people who are signed in. */
    signedIn?: boolean
    /** Only for people with this permission. */
    permission?: Permission
    /** Makes no sense for people who are signed in. */
    guestOnly?: boolean
  }
}
