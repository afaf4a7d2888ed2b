/** Short names for the generated types of this domain. */
import type { components, paths } from '@/api/generated/schema'

type Schemas = components['schemas']

export type Video = Schemas['VideoView']
export type Play = Schemas['PlayView']
export type LiveSource = Schemas['LiveView']
export type Compatible = Schemas['CompatibleView']
export type Visibility = Schemas['Visibility']
export type VideoChange = Schemas['VideoUpdate']
export type BatchAction = Schemas['BatchAction']
export type VideoQuery = NonNullable<paths['/api/videos']['get']['parameters']['query']>

export const VISIBILITIES: readonly Visibility[] = ['public', 'unlisted', 'members', 'private']
