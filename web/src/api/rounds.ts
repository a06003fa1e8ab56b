/** Asks again for what changed, in rounds: what changes during one is asked for in the next. */
export class Rounds {
  private waiting = false;
  private busy = false;

  /** `ask` settles when all of it has been asked for; `pause`: milliseconds from one round to the next at least. */
  constructor(
    private readonly ask: () => Promise<unknown>,
    private readonly pause: number,
  ) {}

  /** It changed. */
  add(): void {
    this.waiting = true;
    if (!this.busy) void this.run();
  }

  private async run(): Promise<void> {
    this.busy = true;
    try {
      while (this.waiting) {
        this.waiting = false;
        await Promise.all([this.ask().catch(() => undefined), new Promise((done) => setTimeout(done, this.pause))]);
      }
    } finally {
      this.busy = false;
    }
  }
}
