import type { Plugin } from 'vite'

export function players(): Plugin
