/** What the services are told of their surroundings. */
export interface Backing {
  readonly redis: string;
  readonly nats: readonly string[];
  readonly otlpEndpoint: readonly string[];
}
