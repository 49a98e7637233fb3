import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { type HttpListener, listenHttp } from './http-listener.ts';
import { bindInstruments } from './instruments.ts';

/** Serves all instruments at `/metrics` in the Prometheus text format until closed. */
export const metricsServer = async (listen: string, resource: Resource): Promise<HttpListener> => {
  // The exporter's own server does not say which port it got, nor why it could not have it.
  const exporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
  const provider = new MeterProvider({ resource, readers: [exporter] });
  const listener = await listenHttp(listen, (request, response) => {
    if (request.url?.split('?')[0] === '/metrics') exporter.getMetricsRequestHandler(request, response);
    else response.writeHead(404).end();
  });
  const bound = bindInstruments(provider.getMeter('weft'));
  return {
    address: listener.address,
    close: async (signal) => {
      bound[Symbol.dispose]();
      await listener.close(signal);
      await provider.shutdown().catch(() => undefined);
    },
  };
};
