import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

/** What iPhones have instead of a full screen for any element. */
type IosVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void }

/** Full screen and picture-in-picture, as far as the browser has them. */
export function useScreens(root: Readonly<Ref<HTMLElement | null>>, element: Readonly<Ref<HTMLVideoElement | null>>) {
  const isFullscreen = ref(false)
  const hasPicture = document.pictureInPictureEnabled as boolean | undefined

  async function toggleFullscreen(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen()
    else if (root.value && 'requestFullscreen' in root.value) await root.value.requestFullscreen()
    else (element.value as IosVideo | null)?.webkitEnterFullscreen?.()
  }
  async function togglePicture(): Promise<void> {
    if (!hasPicture) return
    if (document.pictureInPictureElement) await document.exitPictureInPicture()
    else await element.value?.requestPictureInPicture()
  }
  function look(): void {
    isFullscreen.value = root.value !== null && document.fullscreenElement === root.value
  }

  onMounted(() => {
    document.addEventListener('fullscreenchange', look)
  })
  onBeforeUnmount(() => {
    document.removeEventListener('fullscreenchange', look)
  })
  // A browser may refuse either without a touch by the viewer; then nothing happens.
  const quietly = (act: () => Promise<void>) => () => void act().catch(() => undefined)
  return {
    isFullscreen,
    hasPicture: hasPicture === true,
    toggleFullscreen: quietly(toggleFullscreen),
    togglePicture: quietly(togglePicture),
  }
}
