/** Shapes of the control bar on a field of 24 × 24. */
export const PATHS = {
  play: 'M8 5.5v13a1 1 0 0 0 1.5.86l11-6.5a1 1 0 0 0 0-1.72l-11-6.5A1 1 0 0 0 8 5.5z',
  pause: 'M7 5h3.4v14H7zM13.6 5H17v14h-3.4z',
  replay: 'M12 5V1.8L6.8 6.4 12 11V7.4a5.6 5.6 0 1 1-5.6 5.6H4a8 8 0 1 0 8-8z',
  loud: 'M4 9.2v5.6h3.6L12.5 19V5L7.6 9.2zM15 8.4a4.6 4.6 0 0 1 0 7.2zM15 3.9v2.2a6.8 6.8 0 0 1 0 11.8v2.2a8.9 8.9 0 0 0 0-16.2z',
  low: 'M4 9.2v5.6h3.6L12.5 19V5L7.6 9.2zM15 8.4a4.6 4.6 0 0 1 0 7.2z',
  mute: 'M4 9.2v5.6h3.6L12.5 19V5L7.6 9.2zM21 10.2 19.8 9 17.6 11.2 15.4 9l-1.2 1.2 2.2 2.2-2.2 2.2 1.2 1.2 2.2-2.2 2.2 2.2 1.2-1.2-2.2-2.2z',
  settings:
    'M19.4 13a7.6 7.6 0 0 0 0-2l2-1.6-2-3.4-2.4 1a7.4 7.4 0 0 0-1.7-1L15 3.5h-4l-.4 2.5a7.4 7.4 0 0 0-1.7 1l-2.4-1-2 3.4L6.6 11a7.6 7.6 0 0 0 0 2l-2.1 1.6 2 3.4 2.4-1a7.4 7.4 0 0 0 1.7 1l.4 2.5h4l.3-2.5a7.4 7.4 0 0 0 1.7-1l2.4 1 2-3.4zM13 15.2a3.2 3.2 0 1 1 0-6.4 3.2 3.2 0 0 1 0 6.4z',
  picture: 'M3 5h18v6h-2V7H5v10h5v2H3zM12 13h9v6h-9z',
  expand: 'M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z',
  shrink: 'M8 4h2v6H4V8h4zM14 4h2v4h4v2h-6zM4 14h6v6H8v-4H4zM14 14h6v2h-4v4h-2z',
} as const

export type IconName = keyof typeof PATHS
