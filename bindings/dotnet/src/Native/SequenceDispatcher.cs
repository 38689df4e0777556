using System;
using System.Collections.Generic;
using System.Threading;
using SimpleIpc.Values;

namespace SimpleIpc.Native
{
    /// <summary>Answers streams, each with a sequence. One of the two functions is set.</summary>
    internal sealed class SequenceDispatcher<TIn, TOut> : Dispatcher
    {
        private readonly Func<TIn, IpcContext, IEnumerable<TOut>>? handler;
        private readonly Func<TIn, IpcContext, IAsyncEnumerable<TOut>>? later;

        internal SequenceDispatcher(Func<TIn, IEnumerable<TOut>> function, IpcOptions? options) : base(function, options) =>
            handler = (data, _) => function(data);

        internal SequenceDispatcher(Func<TIn, IAsyncEnumerable<TOut>> function, IpcOptions? options) : base(function, options) =>
            later = (data, _) => function(data);

        internal SequenceDispatcher(Func<TIn, IpcContext, IEnumerable<TOut>> function, IpcOptions? options) : base(function, options)
        {
            handler = function;
            TakesContext = true;
        }

        internal SequenceDispatcher(Func<TIn, IpcContext, IAsyncEnumerable<TOut>> function, IpcOptions? options) : base(function, options)
        {
            later = function;
            TakesContext = true;
        }

        internal override bool TakesRequests => true;

        internal override void Handle(IntPtr message, IntPtr pointer)
        {
            var responder = new Responder(pointer, owned: true);
            TIn data;
            try
            {
                data = Body.To<TIn>(message, Json);
            }
            catch (IpcException unfit)
            {
                Reject(responder, unfit);
                return;
            }
            IpcContext? context;
            CancellationToken left;
            ItemStream? answer;
            try
            {
                // All that is asked of the responder: the answer uses it up.
                context = TakesContext ? new IpcContext(responder, pointer, Json) : null;
                answer = Begin(responder, context, out left);
            }
            catch (Exception exception)
            {
                Fail(responder, exception);
                return;
            }
            if (answer is null)
            {
                return;
            }
            if (handler != null)
            {
                Answer(data, context, answer);
            }
            else
            {
                // The thread goes back to the library where the sequence, or its caller, lets the next item wait.
                _ = AnswerAsync(() => Due(later!(data, context!)), answer, context, left);
            }
        }

        private void Answer(TIn data, IpcContext? context, ItemStream answer)
        {
            try
            {
                using (IEnumerator<TOut> items = Due(handler!(data, context!)).GetEnumerator())
                {
                    while (items.MoveNext())
                    {
                        try
                        {
                            answer.Send(items.Current, JsonPlace.Answer, Timeout.InfiniteTimeSpan, default);
                        }
                        catch (IpcException leaving) when (IsOfLeaving(leaving))
                        {
                            // Nobody takes the rest: what the sequence does at its end is done now, in this thread.
                            break;
                        }
                    }
                }
                answer.Finish();
            }
            catch (Exception exception)
            {
                Fail(answer, exception);
            }
            finally
            {
                answer.Dispose();
                context?.End();
            }
        }

        private static T Due<T>(T? sequence) where T : class =>
            sequence ?? throw new InvalidOperationException("the handler returned no sequence");
    }
}
