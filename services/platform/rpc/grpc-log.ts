import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

// grpc-js writes to stderr on its own account. What it has to say reaches callers as errors, which end up in the log.
setLogVerbosity(logVerbosity.NONE);
