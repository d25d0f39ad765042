// News, told to whoever shows what they are about.

/** Tell of *news*, one notification as it comes; of nothing where any may have come while nobody listened. */
export function tell(news = {}) {
  document.dispatchEvent(new CustomEvent("news", { detail: news }));
}

/** Call *work* after news of one of these *types*, of any type where there are none, and where any may have come. */
export function whenNews(types, work, signal) {
  document.addEventListener("news", ({ detail: { type } }) => {
    if (!type || types.length === 0 || types.includes(type)) work();
  }, { signal });
}
