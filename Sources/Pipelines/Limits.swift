import SQL
import Wire

/// Bounds on what one package may hold. All replicas agree on them.
package enum PackageLimits {
  package static let sourcesMax = 64
  package static let modelsMax = 256
  package static let columnsMax = 128
  /// Columns of one table, inferred ones and those that the engine adds included: more than proofs
  /// and answers tell of, no table has.
  package static let tableColumnsMax = 256
  /// Indexes of one table, which refreshes and tests of all models want together.
  package static let indexesMax = 64
  package static let expectationsMax = 64
  package static let proceduresMax = 128
  package static let queriesMax = 256
  package static let metricsMax = 64
  package static let variablesMax = 128
  package static let argumentsMax = 32
  package static let testsMax = 128
  package static let dropsMax = 256
  package static let grantsMax = 64
  package static let keyColumnsMax = 8
  package static let listedValuesMax = 256
  /// Bytes of the values that one test lists: they stand in one statement.
  package static let testValuesBytesMax = 64 << 10
  package static let refreshMapsMax = 32
  /// Bytes of one SQL text, an expectation's check included.
  package static let sqlBytesMax = 64 << 10
  /// Bytes of one description or one literal.
  package static let textBytesMax = 4 << 10
  /// Bytes of one seed file.
  package static let seedBytesMax = 256 << 10
  package static let seedRowsMax = 10_000
  /// Steps of checking all SQL of one package, 20 to 50 ns each: ten statements that take as many
  /// as one may. A package of the size of the examples takes less than a twentieth.
  package static let checkStepsMax = 10 * SQLLimits.checkStepsMax
  package static let pathBytesMax = 256
  /// Bytes of one YAML file.
  package static let yamlBytesMax = 512 << 10
  package static let yamlDepthMax = 16
  package static let filesMax = 1_024
  /// Digits of a decimal: what fits a signed 64-bit integer whatever the digits are.
  package static let decimalDigitsMax: UInt8 = 18
  package static let batchRowsMax: UInt32 = 100_000
  package static let stringBytesMax: UInt32 = 1 << 20
  /// Depth of a JSON value in a batch.
  package static let jsonDepthMax = 32
  /// As SQL's GLOB: to match takes pattern × text steps, which nobody pays for.
  package static let globBytesMax = 50
}
