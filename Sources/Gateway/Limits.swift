import Wire

/// Bounds of one replica's HTTP side.
package enum GatewayLimits {
  // Connections.
  package static let connectionsMax = 1_024
  package static let connectionsPerAddressMax = 256
  /// From the first byte awaited to the end of a request's header.
  package static let headTimeout = Span.seconds(10)
  /// From a request's header to the end of its body.
  package static let bodyTimeout = Span.seconds(30)
  /// Between an answer and the next request on a connection.
  package static let idleTimeout = Span.seconds(60)
  /// How long what is left of a refused request is read, so that the answer arrives.
  package static let drainTimeout = Span.seconds(2)
  /// Waiting for a peer that does not read its answer.
  package static let writeTimeout = Span.seconds(30)
  package static let headerFieldBytesMax = 8 << 10
  package static let headerBytesMax = 16 << 10
  package static let headerFieldsMax = 64

  // Requests.
  /// Calls at work at once; reads may be as many beside them.
  package static let requestsMax = 1_024
  /// Of one address, also those whose connection is gone.
  package static let callsPerAddressMax = connectionsPerAddressMax
  package static let readsPerAddressMax = requestsMax / 8
  /// Bytes of bodies being read or processed at once.
  package static let bodyBytesInFlightMax = 64 << 20
  package static let bodyBytesPerAddressMax = bodyBytesInFlightMax / 4
  /// Bytes of a query's body: SQL or arguments.
  package static let queryBodyBytesMax = 64 << 10
  /// Bytes of a read in canonical form, which may hold a package to plan with.
  package static let canonicalReadBytesMax = Limits.callBodyBytesMax + envelopeBytesMax
  /// What an envelope adds to its body on `POST /v1/calls`.
  package static let envelopeBytesMax = 4 << 10
  package static let sqlBytesMax = 32 << 10

  // Waiting.
  package static let callPatience = Span.seconds(10)
  package static let callPatienceMax = Span.seconds(60)
  package static let heightPatienceMax = Span.seconds(10)
  /// What `Retry-After` says, in seconds.
  package static let retryAfterSeconds = 1

  /// Reads of one client address, unless configured otherwise; a burst may have twice as many.
  package static let readsPerSecond = 2_000
  package static let addressesMax = 4_096

  // Pages.
  package static let pageRowsUsual = 1_000
  package static let pageRowsMax = 10_000
  package static let eventStreamsMax = 64
  package static let eventStreamsPerAddressMax = eventStreamsMax / 4
  package static let jsonDepthMax = 32
}
