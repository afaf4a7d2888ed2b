import element from 'element-plus/es/locale/lang/zh-cn'
import { mergeLocales } from '../merge'

const files = import.meta.glob(
  ['@/app/locales/zh-CN.json', '@/ui/locales/zh-CN.json', '@/player/locales/zh-CN.json', '@/modules/*/locales/zh-CN.json'],
  { eager: true, import: 'default' },
)

export default { texts: mergeLocales(files), element }
