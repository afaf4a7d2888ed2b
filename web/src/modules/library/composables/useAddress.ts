import { usePublicConfig } from '@/app/stores/config'
import { mediaUrl, type MediaProcess } from '@/lib/mediaUrl'

/** Turns a media path of the API into an address; null while the configuration is not there, or without a path. */
export function useAddress(): (path: string | null | undefined, process?: MediaProcess) => string | null {
  const { data: config } = usePublicConfig()
  return (path, process = 'files') => (path && config.value ? mediaUrl(path, config.value, process) : null)
}
