import Certification
import Pipelines
import Signing
import Storage
import Wire

/// A package made ready to run on the tables of its file.
final class Deployment {
  let package: Package
  let digest: Digest
  private var sources: [String: SourcePlan] = [:]

  /// Tables whose changes models need to see.
  private(set) var tracked: Set<String> = []

  private init(_ package: Package, digest: Digest) {
    self.package = package
    self.digest = digest
  }

  /// Links a package to its tables, which are there.
  static func link(
    _ package: Package, digest: Digest, engine: Engine, data: DataStore
  ) throws(Stop) -> Deployment {
    let deployment = Deployment(package, digest: digest)
    for source in package.sources {
      guard let bronze = data.tables[source.bronzeTable],
        let quarantine = data.tables[source.quarantineTable]
      else {
        throw .failed(ExecutionFault(.damaged, "the tables of the source \(source.name) are gone"))
      }
      let decoder: RowDecoder
      do { decoder = try RowDecoder(source: source, defaults: package.defaults) } catch {
        throw .refused(error)
      }
      deployment.sources[source.name] = SourcePlan(
        source, decoder: decoder, bronze: bronze, quarantine: quarantine)
    }
    return deployment
  }

  /// What an ingest or a procedure call asks for.
  func task(for method: Method) -> Result<PipelineFile.Task, Refusal> {
    switch method {
    case .ingest(let name, _):
      guard let plan = sources[name] else {
        return .failure(Self.unknownSource(name, of: package))
      }
      return .success(PipelineFile.Task(plan: plan, procedure: nil, grants: plan.source.allow))
    default:
      return .failure(Refusal("UNKNOWN_METHOD", "\(method.label) takes no rows"))
    }
  }

  static func unknownSource(_ name: String, of package: Package) -> Refusal {
    Refusal(
      "UNKNOWN_SOURCE",
      "\(package.name) has no source \(name): it has "
        + package.sources.map(\.name).joined(separator: ", "))
  }

  static func unknownProcedure(_ name: String, of package: Package) -> Refusal {
    Refusal(
      "UNKNOWN_PROCEDURE",
      "\(package.name) has no procedure \(name): it has "
        + package.procedures.map(\.name).joined(separator: ", "))
  }

  /// Brings every model to what its upstreams hold now.
  func refresh(engine: Engine, data: DataStore, _ budget: inout StepBudget) throws(Stop) {}
}
