import { VueQueryPlugin } from '@tanstack/vue-query'
import { createPinia } from 'pinia'
import { createApp } from 'vue'
import { useSession } from '@/app/stores/session'
import { useTheme } from '@/ui/theme'
import { notify } from '@/ui/notify'
import App from './App.vue'
import { i18n, startLanguage } from './i18n'
import { followUserLanguage } from './i18n/follow'
import { forgetOnChange, queryClient } from './query'
import { guardPage } from './robust'
import { followSession, followTitle, router } from './router'
import './styles/tokens.css'
import './styles/element.css'
import './styles/base.css'

async function start(): Promise<void> {
  const app = createApp(App)
  app.use(createPinia()).use(i18n).use(VueQueryPlugin, { queryClient })
  useTheme()
  guardPage(app, () => notify('error', i18n.global.t('ui.problem.unexpected')))
  await Promise.all([startLanguage(), useSession().start()])
  app.use(router)
  followTitle()
  followSession()
  followUserLanguage()
  forgetOnChange(() => useSession().user?.id)
  await router.isReady()
  app.mount('#app')
}

void start()
