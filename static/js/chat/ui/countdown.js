// "Try again in 12 s", until it is over.

/**
 * Calls `onTick(seconds)` now and every second, and `onEnd()` when `seconds` have passed. Returns a
 * function that ends it early.
 */
export function countdown(seconds, onTick, onEnd) {
  const end = performance.now() + seconds * 1000;
  let timer;
  const tick = () => {
    const left = end - performance.now();
    if (left <= 0) return onEnd();
    onTick(Math.ceil(left / 1000));
    timer = setTimeout(tick, left % 1000 || 1000);
  };
  tick();
  return () => clearTimeout(timer);
}

/** Writes seconds as people say them: "45 s", "3 min 5 s", "2 h 10 min". */
export function formatDuration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.ceil((seconds % 3600) / 60)} min`;
}
