/// The bounds of what one SQL text may hold; each is refused by name before any work that grows.
package enum SQLLimits {
  /// Bytes of one text.
  package static let textBytesMax = 65_536
  /// Tokens of one text.
  package static let tokensMax = 16_384
  /// Bytes of one identifier, parameter name or alias.
  package static let identifierBytesMax = 64
  /// Bytes of one text or blob literal.
  package static let literalBytesMax = 16_384
  /// Nested parentheses, calls and CASEs; SQLite's own parser holds about 100 stack entries.
  package static let nestingMax = 24
  /// Height of one expression's tree, chains of operators included.
  package static let treeHeightMax = 100
  /// Queries inside queries.
  package static let subqueryDepthMax = 8
  /// SELECTs joined by UNION, EXCEPT and INTERSECT in one query.
  package static let compoundArmsMax = 32
  /// Sources in one FROM.
  package static let sourcesMax = 16
  /// Common tables in one WITH.
  package static let commonTablesMax = 32
  /// Result columns of one SELECT.
  package static let columnsMax = 256
  /// Elements of one IN list, branches of one CASE.
  package static let listMax = 512
  /// Arguments of one call; SQLite's own limit is 127 or more.
  package static let argumentsMax = 100
  /// Bytes of a LIKE or GLOB pattern, as the engine limits it too.
  package static let likePatternBytesMax = 50
  /// Combinations of source keys that are tried to prove a key of a result.
  package static let keyCombinationsMax = 16
  /// Digits of a decimal, as contracts have them.
  package static let decimalDigitsMax = 18
  /// Digits by which a power of ten may have moved a decimal's point: of more nothing is known.
  package static let rescaledDigitsMax = 64
  /// Steps of checking one text: walking its tree with all that its names mean, proving its keys,
  /// following the key of each row through it. Of 20 to 50 ns each, 0.1 to 0.25 s.
  ///
  /// A statement of 2 KB as the examples have takes less than a twenty-fifth: 400 nodes of 40
  /// steps, and for each of its 200 columns a few looks at 50 names, with proofs and printing about
  /// as much again. So one of ten times the length is far below.
  package static let checkStepsMax = 5_000_000
  /// Steps of walking one node, as reckoned from what resolving it allocates: 1 to 2 µs.
  package static let stepsPerNode = 40
  /// Steps of reading one token.
  package static let stepsPerToken = 16
  /// Refusals told of one text.
  package static let refusalsMax = 32
}
