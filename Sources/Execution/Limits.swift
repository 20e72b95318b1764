import SQL
import Wire

/// What execution bounds. All replicas must agree on each of these.
package enum ExecutionLimits {
  /// Bytes of one value in SQL, and of one row.
  package static let valueBytesMax = 1 << 20
  /// Bytes of the text of one statement, restricted sources included.
  package static let statementBytesMax = 256 << 10
  /// Bytes of a LIKE or GLOB pattern.
  package static let patternBytesMax = 50
  /// Bytes of one call of a costly function that are free.
  package static let functionBytesFree = FunctionTable.bytesFree
  /// So many bytes more use up a budget as a step does: they cost as much by the first price table.
  package static let functionBytesPerStep: UInt64 = 25
  /// Between two looks at the budget, in steps.
  package static let stepsBetweenLooks: Int32 = 1
  /// Between two looks of a query at the clock, in steps.
  package static let stepsBetweenClocks: UInt32 = 4_096
  /// Parameters of one statement.
  package static let parametersMax: Int32 = 512
  /// Steps of one deploy, whatever its call allows.
  package static let stepsPerDeploy: UInt64 = 200_000_000
  /// Rows that one deploy may write.
  package static let rowsPerDeploy: UInt64 = 1_000_000
  /// Bytes that one call may put into a pipeline's file: rows, their index entries, and what SQLite
  /// keeps beside each. On the disk they take up to four times as much, where each row spills over
  /// into a page of its own, and all of it twice until the log begins anew.
  package static let bytesTakenPerUpdate: UInt64 = 256 << 20
  /// Bytes that a call writes between two looks at the disk.
  static let bytesBetweenLooks: UInt64 = 4 << 20
  /// From so many bytes on, what a refused call left in a log is cut off at once.
  static let bytesLeftInLogMax: UInt64 = 8 << 20
  /// Rows whose price a deploy sets aside beforehand.
  package static let rowsReservedPerDeploy: UInt64 = 10_000
  /// How long receipts of transfers, top-ups, deploys and administrators' calls answer a
  /// replay, in milliseconds.
  package static let systemRetention: UInt64 = 90 * 86_400_000
  /// Pipelines of one subnet.
  package static let pipelinesMax = 1_024
  /// How far ahead of block time a version may lie that is a date or a timestamp, in milliseconds:
  /// from one mistyped year on, no row of that key would ever be newer.
  package static let versionFutureMax: UInt64 = 366 * 86_400_000
  /// Roles that keys hold in one pipeline.
  package static let grantsMax = 1_024
  /// Callers whose spending one report lists.
  package static let spendingListed = 256
  /// Names under which one pipeline's burn is entered: more than a package may hold.
  package static let burnLinesMax = 1_024
  /// Entries with an end that one call leaves in a file at most: its receipt, its idempotency key,
  /// and what its caller burned that day.
  static let entriesPerCallMax = 3
  /// Old entries that a block forgets in a file beside as many as its calls may leave there.
  static let entriesForgottenPerBlock = 256
  /// Bytes of the arguments of a procedure or a query.
  package static let argumentsBytesMax = 64 << 10
  /// Changed keys that a model computes one by one, however few rows it has.
  package static let keysAlwaysOneByOne = 256
  /// Keys of a model that `pipeline test` computes one by one after each step.
  static let keysComparedMax = 1_000
  /// Rows that `pipeline test` makes up for each table: enough for ties, and few enough that a join
  /// of all with all ends soon.
  static let tiedRows = 40
  /// Lists of arguments that it makes up for each query and procedure.
  static let tiedArguments = 12
  /// Steps of one SELECT over made-up rows.
  static let stepsPerTiedSelect: UInt64 = 5_000_000
  /// Rows of one model that are computed at once, and rows that a procedure gives.
  package static let rowsPerModelMax = 1_000_000
  /// Bytes of these rows: they are held in memory.
  package static let rowBytesPerModelMax = 256 << 20
  /// Pages that a writer keeps in memory; more dirty ones are written before the commit.
  package static let writerCacheKibibytes = 8_192
  /// Heights whose roots the tries keep: more than may be uncertified.
  package static let heightsRetained: UInt64 = 32
  /// Heights that stay readable.
  package static let heightsReadable = 12
  /// Every so many heights all readers let go, so that the log can start anew.
  package static let heightsBetweenBarriers: UInt64 = 100
  /// And before a block that is so much later: no file may lose more to a power cut than the time
  /// for which the others keep receipts, `Limits.callLifetimeMax` at least.
  package static let spanBetweenBarriers = Span.seconds(300)
  /// And, each machine for itself, once a log has grown by so many pages (8 MiB).
  /// While a reader holds the log, it is tried again no sooner than after as many more.
  package static let logPagesBetweenBarriers = 2_048
  /// Heights that are readable at once before the growth of a log makes a barrier: it takes them
  /// away until one above it is certified.
  package static let heightsServedBetweenBarriers: UInt64 = 4
  /// Pages that a log gains before its growth makes a barrier whatever is readable (256 MiB).
  package static let logPagesAddedMax = 65_536
  /// When a log that did not begin anew after a barrier has so many pages, the executor waits for
  /// the queries that hold it. They end within `queryMillisecondsMax`; a copy for a plan or a check
  /// with `copyBytesMax`.
  package static let logPagesHeldMax = 4_096
  /// Bytes of the message of a note in a receipt: with all notes, a receipt stays in its limit.
  package static let noteBytesMax = 160
  /// Rows of one answer.
  package static let answerRowsMax = 10_000
  /// Steps of one query.
  package static let stepsPerQuery: UInt64 = 20_000_000
  /// Steps of one metric of a package. All metrics of one look share the milliseconds of a query.
  package static let stepsPerMetric: UInt64 = 2_000_000
  /// Milliseconds of one query.
  package static let queryMillisecondsMax: UInt64 = 5_000
  /// Rows of a quarantine that one update looks at again, the oldest first.
  package static let rowsReleasedMax = 10_000
  /// Bytes of these rows: they are held in memory.
  package static let heldBytesMax = 4 << 20
  /// Steps that rechecks may always spend: a call that declares fewer declares them for its batch
  /// and what waits for it together. Of more, half are for rechecks.
  static let recheckStepsLeast: UInt64 = 200_000
  /// So many bytes of a function stand for a byte of theirs: it is copied, checked and parsed.
  static let functionBytesPerHeldByte: UInt64 = 8
  /// Keys that are named of the rows in which two tables differ.
  package static let differencesShownMax = 5
  /// Accepted engines that are named where another one is refused, the newest.
  static let enginesShownMax = 4
  /// Milliseconds of one plan or check.
  package static let workshopMillisecondsMax: UInt64 = 60_000
  /// Bytes of a pipeline's file that is copied for a plan or a check, and of what is written to the
  /// copy.
  package static let copyBytesMax: Int64 = 512 << 20
  /// Owners whose pipelines stay readable for snapshots, one each, until the next barrier.
  package static let snapshotsHeld = 4
  /// How long, in block time, nobody asked for a snapshot whose place another owner may take.
  package static let snapshotIdleMax = Span.seconds(60)
  /// Read connections a pipeline, for heights and for queries at one height together.
  package static let readersMax = 16
}
