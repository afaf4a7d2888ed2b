/** Short names for the generated types. */
import type { components, paths } from './generated/schema'

type Schemas = components['schemas']
type Json<Operation> = Operation extends { responses: { 200: { content: { 'application/json': infer Body } } } }
  ? Body
  : never
type ItemOf<List> = List extends { items: (infer Item)[] } ? Item : List extends (infer Item)[] ? Item : never

export type Me = Schemas['Me']
export type User = Schemas['UserView']
export type Role = Schemas['Role']
export type Permission = Schemas['Permission']
export type SessionView = Schemas['SessionView']
export type ApiToken = Schemas['ApiTokenView']
export type PublicConfig = Json<paths['/api/config']['get']>
export type JobPage = Json<paths['/api/jobs']['get']>
export type Job = ItemOf<JobPage>
export type JobDetail = Json<paths['/api/jobs/{id}']['get']>
export type JobState = Job['state']
export type Queue = ItemOf<Json<paths['/api/jobs/queues']['get']>>
export type Schedule = ItemOf<Json<paths['/api/jobs/schedules']['get']>>
export type Worker = ItemOf<Json<paths['/api/jobs/workers']['get']>>
export type AuditEntry = ItemOf<Json<paths['/api/audit']['get']>>
export type SystemStatus = Json<paths['/api/system/status']['get']>
/** The part of the status that also comes live. */
export type SystemLoad = Omit<
  SystemStatus,
  'host' | 'cpu_count' | 'uptime_s' | 'versions' | 'jobs' | 'recorders' | 'pulls_in_trouble' | 'warnings'
>
export type SystemHistory = Json<paths['/api/system/history']['get']>
export type UserQuery = NonNullable<paths['/api/users']['get']['parameters']['query']>
export type JobQuery = NonNullable<paths['/api/jobs']['get']['parameters']['query']>
export type AuditQuery = NonNullable<paths['/api/audit']['get']['parameters']['query']>
