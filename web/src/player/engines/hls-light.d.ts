/** The light build has the same face; what it leaves out (DRM, CMCD, alternate audio) we do not use. */
declare module 'hls.js/light' {
  export * from 'hls.js'
  export { default } from 'hls.js'
}
