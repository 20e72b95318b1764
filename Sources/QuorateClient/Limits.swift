import Wire

/// Bounds of a client.
package enum ClientLimits {
  /// Connections to one replica, busy and idle together.
  package static let connectionsPerReplicaMax = 8
  /// Callers that may wait for a connection to one replica.
  package static let waitersPerReplicaMax = 4_096
  package static let connectTimeout = Span.seconds(3)
  package static let exchangeTimeout = Span.seconds(15)
  /// A plan or a check computes what a deploy would.
  package static let workshopTimeout = Span.seconds(120)
  /// How long replicas have for an answer before another one is asked beside them.
  package static let hedgeAfter = Span.seconds(1)
  package static let statusTimeout = Span.seconds(3)
  /// Beyond the time that a replica was asked to wait.
  package static let exchangeMargin = Span.seconds(5)
  /// Bytes of one answer.
  package static let answerBytesMax = 32 << 20
  package static let answerHeaderBytesMax = 16 << 10

  // Submitting.
  /// How long one replica has for a certificate at least, and at most, before the call is offered
  /// to another beside it; between the two it is three times what submissions take of late.
  package static let submissionHedgeAfter = Span.seconds(3)
  package static let submissionHedgeMax = Span.seconds(20)
  /// So much longer it is asked to wait, in case the other one fails.
  package static let certificateMargin = Span.seconds(2)
  /// How long a submission tries in all, unless the caller says otherwise.
  package static let submissionPatience = Span.seconds(90)
  /// The schedule of pauses between rounds of tries, the last one again and again.
  package static let pauses: [Span] = [
    .milliseconds(50), .milliseconds(100), .milliseconds(200), .milliseconds(400),
    .milliseconds(800), .milliseconds(1_600),
  ]
  package static let batchesInFlightUsual = 8
  package static let batchesInFlightMax = 64

  // Reading.
  package static let readLifetime = Span.seconds(60)
  package static let heightPatience = Span.seconds(5)
  /// Replicas that are asked for a snapshot anew when what was begun is gone; `f + 1` if more.
  package static let snapshotTries = 3
  /// Bytes of the disk that a snapshot leaves free, whatever a replica gives.
  package static let snapshotDiskFree: UInt64 = 64 << 20
  /// The default bounds of an answer's age by trust.
  package static let maxAgeUsual = Span.seconds(60)
}
