/** A line for a shell that pushes a file in an endless loop; the address stands in quotes because of its `?`. */
export function pushCommand(server: string, key: string): string {
  const encode = '-c:v libx264 -preset veryfast -b:v 2500k -g 60 -pix_fmt yuv420p -c:a aac -b:a 128k'
  return `ffmpeg -re -stream_loop -1 -i video.mp4 ${encode} -f flv "${server}/${key}"`
}
