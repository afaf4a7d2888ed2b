import { watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** Something unlisted: operators get its key, which goes into the address, so that the address can be given away. */
export function useLinkKey(linkKey: () => string | null | undefined): void {
  const route = useRoute()
  const router = useRouter()
  watch(
    linkKey,
    (key) => {
      if (key && route.query['key'] !== key) void router.replace({ query: { ...route.query, key } })
    },
    { immediate: true },
  )
}
