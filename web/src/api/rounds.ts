/** Asks again for what changed, in rounds: what changes during one is asked for in the next. */
export class Rounds<T> {
  private readonly waiting = new Set<T>();
  private busy = false;

  /** `ask` settles when all of it has been asked for; `pause`: milliseconds from one round to the next at least. */
  constructor(
    private readonly ask: (topics: ReadonlySet<T>) => Promise<unknown>,
    private readonly pause: number,
  ) {}

  /** These changed. */
  add(topics: readonly T[]): void {
    topics.forEach((topic) => this.waiting.add(topic));
    if (!this.busy) void this.run();
  }

  private async run(): Promise<void> {
    this.busy = true;
    try {
      while (this.waiting.size > 0) {
        const topics = new Set(this.waiting);
        this.waiting.clear();
        await Promise.all([this.ask(topics).catch(() => undefined), new Promise((done) => setTimeout(done, this.pause))]);
      }
    } finally {
      this.busy = false;
    }
  }
}
