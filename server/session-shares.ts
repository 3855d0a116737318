/**
 * Counts the concepts and objects of sessions against the shares of their owner. An owner without room for a concept gets
 * concept_limit; without room for an object, prompts get object_limit and further detections are dropped and counted, as
 * beyond `policy.max_num_objects`.
 */
import {
  type Engine,
  EngineError,
  type EnginePrompt,
  type EngineSession,
  type Holdings,
  isConcept,
} from "./engine/index.js";
import type { OwnerId } from "./session-owner.js";
import type { Lease, Shares } from "./shares/shares.js";

type ShareTaker = Pick<Shares, "take" | "room">;

/** The engine for one owner. */
export function withinShares(engine: Engine, shares: ShareTaker, owner: OwnerId): Engine {
  return {
    ...engine,
    get pack() {
      return engine.pack;
    },
    open: async (...opening) => limitSession(await engine.open(...opening), shares, owner),
  };
}

function limitSession(session: EngineSession, shares: ShareTaker, owner: OwnerId): EngineSession {
  const concepts = shares.take("concepts", owner, 0);
  const objects = shares.take("objects", owner, 0);

  /** Sets a lease to what the session holds, or to the rest of the share when other sessions have taken it meanwhile. */
  function hold(lease: Lease, name: "concepts" | "objects", amount: number): void {
    if (amount < lease.amount) lease.subtract(lease.amount - amount);
    else lease.add(Math.min(amount - lease.amount, shares.room(name, owner)));
  }

  function update(holds: Holdings | undefined): void {
    if (!holds) return;
    hold(concepts, "concepts", holds.concepts);
    hold(objects, "objects", holds.objects);
  }

  const room = () => ({ maxObjects: objects.amount + shares.room("objects", owner) });

  /** The share is the reason when it has no room; otherwise the policy is. */
  function explain(error: unknown): unknown {
    if (!(error instanceof EngineError) || error.code !== "object_limit") return error;
    if (shares.room("objects", owner) > 0) return error;
    try {
      shares.take("objects", owner).release();
      return error;
    } catch (exceeded) {
      return exceeded;
    }
  }

  async function describe(): ReturnType<EngineSession["describe"]> {
    const described = await session.describe();
    const { concepts: positive, negativeConcepts, objectIds } = described;
    update({ concepts: positive.length + negativeConcepts.length, objects: objectIds.length });
    return described;
  }

  /** Returns how many were reserved. @throws ProtocolError concept_limit */
  async function reserveConcept(prompt: EnginePrompt): Promise<number> {
    if (prompt.kind !== "concept" || (prompt.replace && concepts.amount > 0)) return 0;
    const { text } = prompt;
    if (text !== undefined && shares.room("concepts", owner) === 0) {
      const { concepts: positive, negativeConcepts } = await describe();
      // A known phrase is no new concept.
      if ([...positive, ...negativeConcepts].some((phrase) => isConcept({ phrase }, text))) return 0;
    }
    concepts.add(1);
    return 1;
  }

  return {
    ...session,
    async prompt(params) {
      const reserved = await reserveConcept(params.prompt);
      try {
        const answer = await session.prompt({ ...params, ...room() });
        update(answer.holds);
        return answer;
      } catch (error) {
        concepts.subtract(reserved);
        throw explain(error);
      }
    },
    push: (params) => session.push({ ...params, ...room() }),
    async next() {
      const outputs = await session.next();
      const last = outputs.at(-1);
      if (last) hold(objects, "objects", last.stats.tracked);
      return outputs;
    },
    async edit(params) {
      try {
        const answer = await session.edit({ ...params, ...room() });
        update(answer.holds);
        return answer;
      } catch (error) {
        throw explain(error);
      }
    },
    async removeObject(params) {
      await session.removeObject(params);
      objects.subtract(1);
    },
    describe,
    async reset() {
      await session.reset();
      update({ concepts: 0, objects: 0 });
    },
    async close(reason) {
      concepts.release();
      objects.release();
      await session.close(reason);
    },
  };
}
