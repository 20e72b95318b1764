import Certification
import Foundation
import Metering
import Wire

/// How values of the project read as JSON. Digests and keys are hexadecimal, times milliseconds
/// since 1970, cycles and heights numbers.
extension JSON {
  static func digest(_ digest: Digest) -> JSON { .text(digest.hex) }

  /// Base64 of canonical bytes, which programs verify.
  static func canonical(_ value: some Canonical) -> JSON {
    .text(Data(value.canonicalBytes).base64EncodedString())
  }

  static func list<Element>(_ values: [Element], _ each: (Element) -> JSON) -> JSON {
    .list(values.map(each))
  }

  static func optional<Value>(_ value: Value?, _ each: (Value) -> JSON) -> JSON {
    value.map(each) ?? .null
  }
}

extension Receipt {
  var json: JSON {
    var members: [(String, JSON)] = [
      ("request", .digest(call)), ("height", .number(height.number)),
      ("position", .number(position)), ("time", .number(time.number)),
      ("pipeline", .text(pipeline)),
    ]
    switch status {
    case .applied: members.append(("status", .text("applied")))
    case .refused(let refusal):
      members.append(("status", .text("refused")))
      members.append(("code", .text(refusal.code)))
      members.append(("detail", .text(refusal.message)))
    }
    members.append(("replayed", .flag(replayOf != nil)))
    if let replayOf {
      members.append(("original", .digest(replayOf.call)))
      members.append(("originalHeight", .number(replayOf.height.number)))
    }
    members.append(("rows", tally.json))
    members.append(("notes", .list(notes) { $0.json }))
    members.append(("usage", usage.json))
    members.append(("charged", .number(charged.number)))
    return .object(members)
  }
}

extension RowTally {
  var json: JSON {
    .object([
      ("accepted", .number(accepted)), ("quarantined", .number(quarantined)),
      ("dropped", .number(dropped)), ("duplicates", .number(duplicates)), ("late", .number(late)),
    ])
  }
}

extension Note {
  var json: JSON {
    .object([
      ("name", .text(name)), ("count", .number(count)), ("firstRow", .number(firstRow)),
      ("message", .text(message)),
    ])
  }
}

extension Usage {
  var json: JSON {
    .object([
      ("ingressBytes", .number(ingressBytes)), ("steps", .number(steps)),
      ("functionBytes", .number(functionBytes)), ("rowsWritten", .number(rowsWritten)),
      ("rowBytesWritten", .number(rowBytesWritten)),
      ("indexEntriesWritten", .number(indexEntriesWritten)), ("hashes", .number(hashes)),
      ("receiptBytes", .number(receiptBytes)),
    ])
  }
}

extension StateCertificate {
  var json: JSON {
    .object([
      ("subnet", .digest(statement.subnet)), ("epoch", .number(statement.epoch.number)),
      ("height", .number(statement.height.number)), ("block", .digest(statement.block)),
      ("stateRoot", .digest(statement.stateRoot)),
      ("receiptsRoot", .digest(statement.receiptsRoot)), ("time", .number(statement.time.number)),
      ("signers", .list(signers.ids) { .number($0.number) }),
      ("signatures", .list(signatures) { .text($0.bytes.hex) }),
      ("canonical", .canonical(self)),
    ])
  }
}

extension CertifiedReceipt {
  var json: JSON {
    .object([
      ("request", .digest(proof.receipt.call)), ("status", .text("done")),
      ("receipt", proof.receipt.json), ("certificate", certificate.json),
      ("proof", .canonical(self)),
    ])
  }
}

extension ReplicaStatus {
  var json: JSON {
    .object([
      ("subnet", .digest(subnet)), ("replica", .number(replica.number)),
      ("software", .text(software)), ("phase", .text(phase.label)),
      ("clock", .number(clock.number)), ("epoch", .number(epoch.number)),
      ("view", .number(view.number)), ("finalized", .number(finalized.number)),
      ("executed", .number(executed.number)),
      ("certified", .optional(certificate) { .number($0.height.number) }),
      ("stateRoot", .optional(certificate) { .digest($0.statement.stateRoot) }),
      ("oldestReadable", .optional(oldestReadable) { .number($0.number) }),
      ("connected", .list(connected) { .number($0.number) }),
      ("poolCalls", .number(poolCalls)), ("poolBytes", .number(poolBytes)),
      ("awaiting", .list(awaiting) { .text($0) }),
    ])
  }
}

extension Catalog {
  var json: JSON {
    .object([
      ("height", .number(height.number)), ("pipelines", .list(pipelines) { $0.json }),
    ])
  }
}

extension PipelineReport {
  var json: JSON {
    .object([
      ("pipeline", .text(pipeline)), ("height", .number(height.number)),
      ("time", .number(time.number)), ("condition", .text(condition.label)),
      ("balance", .number(balance.number)), ("reserved", .number(reserved.number)),
      ("burned", .number(burned.number)), ("burnedToday", .number(burnedToday.number)),
      ("burnedYesterday", .number(burnedYesterday.number)),
      ("storedBytes", .number(storedBytes)), ("storageDaily", .number(storageDaily.number)),
      ("freezesBelow", .number(freezesBelow.number)),
      (
        "burns",
        .list(burns) {
          .object([
            ("kind", .text($0.kind.label)), ("name", .text($0.name)),
            ("cycles", .number($0.cycles.number)),
          ])
        }
      ),
      (
        "grants",
        .list(grants) { .object([("role", .text($0.role)), ("key", .text($0.key.hex))]) }
      ),
      ("callerBudget", .number(callerBudget.number)),
      ("publicBudget", .number(publicBudget.number)),
      (
        "spending",
        .list(spending) {
          .object([
            ("caller", .text($0.caller?.hex ?? "public")), ("cycles", .number($0.cycles.number)),
          ])
        }
      ),
      ("counts", .list(counts) { $0.json }),
    ])
  }
}

extension SourceCounts {
  var json: JSON {
    .object(
      [("source", .text(source))] + outcomes.map { ($0.name, .number($0.rows)) } + [
        (
          "expectations",
          .list(expectations) {
            .object([
              ("name", .text($0.name)), ("action", .text($0.action)),
              ("checked", .number($0.checked)), ("violated", .number($0.violated)),
            ])
          }
        )
      ])
  }
}

extension PriceReport {
  var json: JSON {
    .object([
      ("prices", table.json), ("needed", .number(UInt64(needed))),
      (
        "proposals",
        .list(proposals) {
          .object([("administrator", .text($0.administrator.hex)), ("prices", $0.table.json)])
        }
      ),
    ])
  }
}

extension PriceTable {
  var json: JSON {
    .object([
      ("name", .text(name)), ("version", .number(UInt64(version))),
      ("replicas", .number(UInt64(replicas))),
      (
        "lines",
        .list(lines) {
          .object([
            ("key", .text($0.key)), ("item", .text($0.item)), ("unit", .text($0.unit)),
            ("at13", .number($0.base.number)), ("cycles", .number($0.price.number)),
          ])
        }
      ),
    ])
  }
}

extension EngineReport {
  var json: JSON {
    .object([
      ("accepted", .list(accepted) { $0.json }), ("needed", .number(UInt64(needed))),
      (
        "proposals",
        .list(proposals) {
          .object([("administrator", .text($0.administrator.hex)), ("engine", $0.engine.json)])
        }
      ),
    ])
  }
}

extension EngineFingerprint {
  var json: JSON {
    .object([
      ("source", .text(source)), ("options", .digest(options)), ("probe", .digest(probe)),
      ("hex", .text(hex)),
    ])
  }
}

extension CatalogPipeline {
  var json: JSON {
    .object([
      ("name", .text(name)), ("version", .text(version)), ("about", .text(about)),
      ("owner", .text(owner.hex)), ("package", .digest(package)),
      ("balance", .number(balance.number)), ("freezesBelow", .number(freezesBelow.number)),
      ("condition", .text(condition.label)), ("sources", .list(sources) { $0.json }),
      ("procedures", .list(procedures) { $0.json }), ("queries", .list(queries) { $0.json }),
      ("tables", .list(tables) { $0.json }), ("progress", .list(progress) { $0.json }),
      ("metrics", .list(metrics) { $0.json }),
    ])
  }
}

extension SourceProgress {
  var json: JSON {
    .object([
      ("source", .text(source)), ("late", .text(late)),
      ("watermark", .optional(watermark) { .integer($0) }),
      ("acceptedAt", .optional(acceptedAt) { .number($0.number) }),
      ("warnAfter", .optional(bound) { .number($0.warnAfter) }),
      ("errorAfter", .optional(bound) { .number($0.errorAfter) }),
    ])
  }
}

extension CatalogEntry {
  var json: JSON {
    .object([
      ("name", .text(name)), ("about", .text(about)), ("allow", .list(allow) { .text($0) }),
      ("fields", .list(fields) { $0.json }),
    ])
  }
}

extension CatalogField {
  var json: JSON { .object([("name", .text(name)), ("type", .text(type))]) }
}

extension CatalogTable {
  var json: JSON {
    .object([
      ("name", .text(name)), ("layer", .text(layer)), ("certified", .flag(isCertified)),
      ("columns", .list(columns) { $0.json }), ("key", .list(key) { .text($0) }),
    ])
  }
}

extension ResultTable {
  var columnsJSON: JSON {
    .list(columns) { .object([("name", .text($0.name)), ("type", .text($0.type.name))]) }
  }

  /// Rows as lists of values: bare numbers and booleans, all else as people read it.
  func rowsJSON(_ range: Range<Int>) -> JSON {
    .list(
      rows[range].map { row in
        .list(zip(columns, row).map { column, value in value.json(as: column.type) })
      })
  }
}

extension Value {
  func json(as type: ColumnType) -> JSON {
    switch self {
    case .null: .null
    case .int(let number) where type.isBare(self):
      type == .bool ? .flag(number == 1) : .integer(number)
    default: .optional(type.text(of: self)) { .text($0) }
    }
  }
}

extension GatewayEvent {
  var name: String {
    switch self {
    case .entered: "entered"
    case .finalized: "finalized"
    case .certified: "certified"
    case .accused: "accused"
    case .quarantined: "quarantined"
    }
  }

  var json: JSON {
    switch self {
    case .entered(let view, let leader):
      .object([("view", .number(view.number)), ("leader", .number(leader.number))])
    case .finalized(let height, let view, let calls):
      .object([
        ("height", .number(height.number)), ("view", .number(view.number)),
        ("calls", .number(calls)),
      ])
    case .certified(let height, let root):
      .object([("height", .number(height.number)), ("stateRoot", .digest(root))])
    case .accused(let replica, let reason):
      .object([("replica", .number(replica.number)), ("reason", .text(reason))])
    case .quarantined(let height): .object([("height", .number(height.number))])
    }
  }
}
