// The stand-alone page: lists streams and recordings from /control/* and plays them. No build step, no other origin.
const TEXTS = {
  en: {
    hint: "Publish from this computer with any RTMP encoder; every stream is recorded.", live: "Live streams", player: "Player",
    recordings: "Recordings", name: "Name", state: "State", viewers: "Viewers", media: "Media", duration: "Duration", size: "Size",
    files: "Files", actions: "", none: "Nothing yet.", record: "Record", stop: "Stop recording", download: "Download", play: "Play",
    noPlayer: "This browser cannot play this form; open the link in a player instead:", ended: "The stream has ended.",
    states: { pushing: "live", stalled: "stalled", grace: "reconnecting", recording: "recording", paused: "paused",
      interrupted: "interrupted", finished: "finished" },
  },
  "zh-CN": {
    hint: "用任意 RTMP 编码器从本机推流即可，所有直播都会自动录制。", live: "正在直播", player: "播放器", recordings: "录像",
    name: "名称", state: "状态", viewers: "在线观众", media: "媒体", duration: "时长", size: "大小", files: "文件数", actions: "",
    none: "暂无内容。", record: "开始录制", stop: "停止录制", download: "下载", play: "播放",
    noPlayer: "此浏览器无法播放该格式，请用播放器打开链接：", ended: "直播已结束。",
    states: { pushing: "直播中", stalled: "无数据", grace: "等待重连", recording: "录制中", paused: "已暂停",
      interrupted: "已中断", finished: "已完成" },
  },
  "zh-TW": {
    hint: "用任意 RTMP 編碼器從本機推流即可，所有直播都會自動錄製。", live: "正在直播", player: "播放器", recordings: "錄影",
    name: "名稱", state: "狀態", viewers: "線上觀眾", media: "媒體", duration: "時長", size: "大小", files: "檔案數", actions: "",
    none: "暫無內容。", record: "開始錄製", stop: "停止錄製", download: "下載", play: "播放",
    noPlayer: "此瀏覽器無法播放該格式，請用播放器開啟連結：", ended: "直播已結束。",
    states: { pushing: "直播中", stalled: "無資料", grace: "等待重連", recording: "錄製中", paused: "已暫停",
      interrupted: "已中斷", finished: "已完成" },
  },
};

const language = navigator.languages.map((tag) =>
  /^zh\b.*(tw|hk|mo|hant)/i.test(tag) ? "zh-TW" : /^zh/i.test(tag) ? "zh-CN" : /^en/i.test(tag) ? "en" : null,
).find(Boolean) ?? "en";
const text = TEXTS[language];
const byId = (id) => document.getElementById(id);
let stopPlayer = () => {};

function element(tag, content, attributes = {}) {
  const node = document.createElement(tag);
  node.append(...[content].flat());
  for (const [key, value] of Object.entries(attributes)) node[key] = value;
  return node;
}

function load(path) {
  return new Promise((resolve, reject) => {
    document.head.append(element("script", "", { src: path, onload: resolve, onerror: reject }));
  });
}

async function library(name, path) {
  if (!window[name]) await load(path).catch(() => {});
  return window[name];
}

async function play(kind, url) {
  stopPlayer();
  const video = byId("video");
  byId("message").replaceChildren();
  stopPlayer = () => { video.removeAttribute("src"); video.load(); };
  const unplayable = () => byId("message").replaceChildren(text.noPlayer + " ", element("code", new URL(url, location.href).href));
  video.onerror = () => { if (video.getAttribute("src")) unplayable(); };
  if (await { hls: playHls, flv: playFlv, mp4: playNative }[kind](video, url, unplayable)) video.play().catch(() => {});
  else unplayable();
}

async function playHls(video, url, unplayable) {
  const Hls = await library("Hls", "/page/players/hls.min.js");
  if (!Hls?.isSupported()) return video.canPlayType("application/vnd.apple.mpegurl") ? playNative(video, url) : false;
  const player = new Hls({ lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.1 });
  player.on(Hls.Events.ERROR, (_, error) => { if (error.fatal && error.type !== Hls.ErrorTypes.NETWORK_ERROR) unplayable(); });
  player.loadSource(url);
  player.attachMedia(video);
  stopPlayer = () => player.destroy();
  return true;
}

async function playFlv(video, url, unplayable) {
  const mpegts = await library("mpegts", "/page/players/mpegts.js");
  if (!mpegts?.isSupported()) return false;
  const player = mpegts.createPlayer({ type: "flv", isLive: true, url }, { liveBufferLatencyChasing: true });
  player.on(mpegts.Events.LOADING_COMPLETE, () => { byId("message").textContent = text.ended; });
  player.on(mpegts.Events.ERROR, (kind) => { if (kind !== mpegts.ErrorTypes.NETWORK_ERROR) unplayable(); });
  player.attachMediaElement(video);
  player.load();
  stopPlayer = () => player.destroy();
  return true;
}

function playNative(video, url) {
  video.src = url;
  return true;
}

function button(label, onclick) {
  return element("button", label, { onclick, type: "button" });
}

function post(path, body) {
  return fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).then(refresh);
}

function seconds(value) {
  const whole = Math.floor(value);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

function bytes(value) {
  const unit = Math.min(3, Math.floor(Math.log10(Math.max(value, 1)) / 3));
  return `${(value / 1000 ** unit).toFixed(unit ? 1 : 0)} ${["B", "kB", "MB", "GB"][unit]}`;
}

function liveRow(stream) {
  const actions = [
    button("HLS", () => play("hls", `/live/${stream.name}/index.m3u8`)),
    button("FLV", () => play("flv", `/live/${stream.name}.flv`)),
    stream.recording
      ? button(text.stop, () => post("/control/record/stop", { stream: stream.name }))
      : button(text.record, () => post("/control/record/start", { stream: stream.name })),
  ];
  return [stream.name, text.states[stream.state], stream.media.join(" + "), String(stream.viewers), actions];
}

function recordingRow(recording) {
  const base = `${filesOrigin()}/vod/${recording.id}`;
  const actions = [button(text.play, () => play("hls", `${base}/index.m3u8`))];
  const several = recording.files > 1;
  if (!several) actions.push(button("MP4", () => play("mp4", `${base}/video.mp4`)));
  // Several files are no single MP4 (409); each is fetched by its own name.
  const names = several
    ? Array.from({ length: recording.files }, (_, number) => `video-${String(number).padStart(3, "0")}.mp4`)
    : ["video.mp4"];
  const link = (name) => element("a", several ? `${text.download} ${name}` : text.download, { href: `${base}/${name}?download=1` });
  actions.push(...names.flatMap((name) => [link(name), " "]));
  return [recording.name, text.states[recording.state], seconds(recording.duration_s), bytes(recording.size_bytes), String(recording.files), actions];
}

function filesOrigin() {
  return `${location.protocol}//${location.hostname}:${state.files_port}`;
}

function fill(id, rows) {
  const cells = rows.map((row) => element("tr", row.map((cell) => element("td", cell))));
  byId(id).replaceChildren(...(rows.length ? cells : [element("tr", element("td", text.none))]));
}

let state = { files_port: 8081, rtmp_port: 1935 };

async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function refresh() {
  const [streams, recordings] = await Promise.all([get("/control/streams"), get("/control/recordings")]);
  state = streams.server;
  byId("push").textContent = `rtmp://${location.hostname}:${state.rtmp_port}/live/demo`;
  fill("live", streams.streams.filter((stream) => stream.state !== "offline").map(liveRow));
  fill("recordings", recordings.recordings.map(recordingRow));
}

function heads() {
  document.documentElement.lang = language;
  byId("hint").textContent = text.hint;
  for (const id of ["live", "player", "recordings"]) byId(`${id}-title`).textContent = text[id];
  const head = (names) => names.map((name) => element("th", text[name], { scope: "col" }));
  byId("live-head").append(...head(["name", "state", "media", "viewers", "actions"]));
  byId("recordings-head").append(...head(["name", "state", "duration", "size", "files", "actions"]));
}

heads();
refresh().catch((error) => { byId("message").textContent = String(error); });
setInterval(() => refresh().catch(() => {}), 3000);
