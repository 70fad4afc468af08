// Keeps the page for when the server cannot be reached. The build puts FILES and VERSION before this.
// With a server every answer is the server's, so that a new page is seen at once.
const PREFIX = `t2a-edge ${self.registration.scope} `; // caches belong to a whole origin
const NAME = PREFIX + VERSION;
let reached = false; // whether the server has answered when the page was opened

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES)));
});

self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith(PREFIX) && name !== NAME;
  event.waitUntil(
    caches.keys().then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name)))),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const opened = request.mode === "navigate";
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  if (reached && !opened) return; // browsers keep compiled WebAssembly only where nothing stands between
  const kept = () =>
    caches.open(NAME).then((cache) => cache.match(request, { ignoreSearch: true, ignoreVary: true }));
  const answer = async () => {
    try {
      const own = await fetch(request);
      if (own.status >= 500) return (await kept()) ?? own; // a proxy may answer for a server that is gone
      reached ||= opened;
      return own;
    } catch (error) {
      return (await kept()) ?? Promise.reject(error);
    }
  };
  if (opened) reached = false;
  event.respondWith(answer());
});
