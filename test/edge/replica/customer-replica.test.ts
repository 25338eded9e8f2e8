// Goal: a till may rely on the same things whether its replica is written in its own thread or in another.
// Method: one suite for both, on real files and real threads.
import { openWriterInProcess } from '../../../edge/replica/in-process-writer.ts';
import { writerInThread } from '../../../edge/replica/thread/thread-writer.ts';
import { describeCustomerReplica } from './customer-replica.suite.ts';

describeCustomerReplica('in the same thread', openWriterInProcess);
describeCustomerReplica('in a thread of its own', writerInThread());
