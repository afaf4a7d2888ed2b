import { Calendar, Timer } from '@element-plus/icons-vue'
import type { AppModule } from '@/lib/module'

const recordings: AppModule = {
  name: 'recordings',
  routes: [
    {
      path: '/admin/tasks',
      name: 'tasks',
      meta: { layout: 'admin', title: 'recordings.tasks.title', permission: 'sources.read' },
      component: () => import('./pages/TasksPage.vue'),
    },
    {
      path: '/admin/schedules',
      name: 'schedules',
      meta: { layout: 'admin', title: 'recordings.schedules.title', permission: 'sources.read' },
      component: () => import('./pages/SchedulesPage.vue'),
    },
  ],
  menu: [
    { to: '/admin/tasks', title: 'recordings.tasks.title', icon: Timer, permission: 'sources.read', order: 2 },
    { to: '/admin/schedules', title: 'recordings.schedules.title', icon: Calendar, permission: 'sources.read', order: 3 },
  ],
}

export default recordings
