import element from 'element-plus/es/locale/lang/en'
import { mergeLocales } from '../merge'

const files = import.meta.glob(
  ['@/app/locales/en.json', '@/ui/locales/en.json', '@/player/locales/en.json', '@/modules/*/locales/en.json'],
  { eager: true, import: 'default' },
)

export default { texts: mergeLocales(files), element }
