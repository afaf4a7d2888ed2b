import element from 'element-plus/es/locale/lang/zh-tw'
import { mergeLocales } from '../merge'

const files = import.meta.glob(
  ['@/app/locales/zh-TW.json', '@/ui/locales/zh-TW.json', '@/player/locales/zh-TW.json', '@/modules/*/locales/zh-TW.json'],
  { eager: true, import: 'default' },
)

export default { texts: mergeLocales(files), element }
