import Wire

/// A literal as it is written in a text or given for a `{{ var }}`.
package enum Literal: Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  /// The spelling; only ad-hoc queries may hold one.
  case real(String)
  case text(String)
  case blob([UInt8])
}

extension Literal: Hashable {
  /// Texts are equal when their bytes are, as SQLite has it.
  package static func == (a: Self, b: Self) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let first), .bool(let second)): first == second
    case (.integer(let first), .integer(let second)): first == second
    case (.real(let first), .real(let second)): first.isSpelled(as: second)
    case (.text(let first), .text(let second)): first.isSpelled(as: second)
    case (.blob(let first), .blob(let second)): first == second
    default: false
    }
  }

  package func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .bool(let flag): hasher.combine(flag)
    case .integer(let number): hasher.combine(number)
    case .real(let text), .text(let text): hasher.combine(Array(text.utf8))
    case .blob(let bytes): hasher.combine(bytes)
    }
  }
}

/// A name of a table, in one of the ways a text can say it.
package enum TableName: Sendable, Hashable {
  case ref(String)
  case source(String)
  case changed
  /// A plain identifier: a common table, or a table of the catalog in an ad-hoc query.
  case plain(String)
}

/// An expression with its place.
package struct Expression: Sendable {
  package let kind: ExpressionKind
  package let place: Place
  /// Height of the tree.
  let height: Int

  init(_ kind: ExpressionKind, at place: Place, height: Int = 1) {
    self.kind = kind
    self.place = place
    self.height = height
  }
}

package indirect enum ExpressionKind: Sendable {
  case literal(Literal)
  case column(qualifier: String?, name: String, quoted: Bool)
  case parameter(String)
  case variable(String)
  case unary(UnaryOperator, Expression)
  case binary(BinaryOperator, Expression, Expression)
  case between(Expression, Expression, Expression, negated: Bool)
  case inList(Expression, [Expression], negated: Bool)
  case inQuery(Expression, Query, negated: Bool)
  case isNull(Expression, negated: Bool)
  case like(LikeMatch)
  case choice(CaseExpression)
  case cast(Expression, CastTarget)
  case call(FunctionCall)
  case exists(Query)
  case scalar(Query)
}

package enum UnaryOperator: String, Sendable {
  case minus = "-"
  case plus = "+"
  case invert = "~"
  case not = "NOT"
}

package enum BinaryOperator: String, Sendable {
  case or = "OR"
  case and = "AND"
  case equal = "="
  case notEqual = "<>"
  case `is` = "IS"
  case isNot = "IS NOT"
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case bitAnd = "&"
  case bitOr = "|"
  case shiftLeft = "<<"
  case shiftRight = ">>"
  case plus = "+"
  case minus = "-"
  case times = "*"
  case divide = "/"
  case remainder = "%"
  case concatenate = "||"
  case arrow = "->"
  case arrowText = "->>"

  /// SQLite goes on in REAL where 64 bits do not hold the result.
  var overflows: Bool {
    switch self {
    case .plus, .minus, .times, .divide, .remainder: true
    default: false
    }
  }

  var compares: Bool { [4, 5].contains(strength) }

  /// What stands on its sides counts the same.
  var meets: Bool { compares || [.plus, .minus, .remainder].contains(self) }

  var readsJSON: Bool { self == .arrow || self == .arrowText }

  /// Binding strength as in SQLite's grammar (https://sqlite.org/lang_expr.html), 1 is weakest.
  var strength: Int {
    switch self {
    case .or: 1
    case .and: 2
    case .equal, .notEqual, .is, .isNot: 4
    case .less, .lessOrEqual, .greater, .greaterOrEqual: 5
    case .bitAnd, .bitOr, .shiftLeft, .shiftRight: 6
    case .plus, .minus: 7
    case .times, .divide, .remainder: 8
    case .concatenate, .arrow, .arrowText: 9
    }
  }
}

package struct LikeMatch: Sendable {
  let value: Expression
  let pattern: Expression
  let escape: Expression?
  let glob: Bool
  let negated: Bool
}

package struct CaseExpression: Sendable {
  let operand: Expression?
  let branches: [(when: Expression, then: Expression)]
  let otherwise: Expression?
}

package enum CastTarget: String, Sendable {
  case text = "TEXT"
  case integer = "INTEGER"
  case real = "REAL"
}

package struct FunctionCall: Sendable {
  let name: String
  var arguments: [Expression]
  var star = false
  var distinct = false
  var filter: Expression?
  var over: WindowReference?
}

package enum WindowReference: Sendable {
  case named(String, Place)
  case specified(WindowSpecification)
}

package struct WindowSpecification: Sendable {
  var base: String?
  var partition: [Expression]
  var order: [OrderTerm]
  var frame: WindowFrame?
  let place: Place
  /// Byte offset behind the specification's last order term.
  var orderEnd = 0
}

package struct WindowFrame: Sendable {
  package enum Unit: String, Sendable {
    case rows = "ROWS"
    case range = "RANGE"
    case groups = "GROUPS"
  }
  package enum Bound: Sendable {
    case unboundedPreceding
    case preceding(Expression)
    case currentRow
    case following(Expression)
    case unboundedFollowing
  }
  let unit: Unit
  let start: Bound
  let end: Bound?
}

package struct OrderTerm: Sendable {
  let expression: Expression
  let descending: Bool
  /// True for NULLS FIRST, false for NULLS LAST, nil when not said.
  let nullsFirst: Bool?
}

/// A whole query: WITH, its SELECTs, ORDER BY and LIMIT.
package struct Query: Sendable {
  package let source: SQLText
  var recursive = false
  var commonTables: [CommonTable] = []
  var first: Select
  var rest: [(operation: CompoundOperator, select: Select)] = []
  var order: [OrderTerm] = []
  var limit: Limit?
  let place: Place
}

package struct Limit: Sendable {
  var count: Expression
  var offset: Expression?
  let place: Place
  /// Byte offset of the first token behind the clause.
  let end: Int
}

package enum CompoundOperator: String, Sendable {
  case union = "UNION"
  case unionAll = "UNION ALL"
  case except = "EXCEPT"
  case intersect = "INTERSECT"
}

package struct CommonTable: Sendable {
  let name: String
  let columns: [String]
  var query: Query
  let place: Place
}

package struct Select: Sendable {
  var distinct: Bool
  var items: [ResultItem]
  var from: [FromItem]
  var filter: Expression?
  var group: [Expression]
  var having: Expression?
  var windows: [(name: String, window: WindowSpecification)]
  let place: Place
}

package enum ResultItem: Sendable {
  case star(Place)
  case tableStar(String, Place)
  case expression(Expression, alias: String?)
}

/// One source of a FROM, with the way it joins what stands before it.
package struct FromItem: Sendable {
  let join: JoinKind
  var relation: RelationSyntax
  let alias: String?
  var on: Expression?
  let using: [(name: String, place: Place)]
  let place: Place
}

package enum JoinKind: String, Sendable {
  case inner = "JOIN"
  case left = "LEFT JOIN"
  case cross = "CROSS JOIN"
}

package indirect enum RelationSyntax: Sendable {
  case table(TableName)
  case subquery(Query)
  case function(String, [Expression])
  /// A table of the catalog, put in by the checker.
  case resolved(TableShape)
  /// A common table in scope, put in by the checker.
  case common(String)
}
