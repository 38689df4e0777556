using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Values;

namespace SimpleIpc.Native
{
    internal abstract partial class Dispatcher
    {
        /// <summary>
        /// Begins an answer of several items, which uses the responder up. Null where there can be none: the caller has opened no
        /// stream, of which it is told, or it has gone.
        /// </summary>
        /// <param name="responder">Where the answer goes.</param>
        /// <param name="context">What the handler asks, if anything: from now on the caller's items come with the answer.</param>
        /// <param name="left">Cancelled when the caller leaves.</param>
        protected ItemStream? Begin(Responder responder, IpcContext? context, out CancellationToken left)
        {
            // Before the answer: that takes over whom to tell.
            if (context != null)
            {
                left = context.CancellationToken;
            }
            else
            {
                var source = new CancellationTokenSource();
                responder.CancelWhenUnwanted(source);
                left = source.Token;
            }
            if (!(responder.Stream(Json) is NativeStream native))
            {
                return null;
            }
            var answer = new ItemStream(native, default);
            context?.Begin(answer);
            return answer;
        }

        /// <summary>Sends the items of a sequence until its end, or until the caller leaves.</summary>
        protected async Task AnswerAsync<T>(
            Func<IAsyncEnumerable<T>> sequence, ItemStream answer, IpcContext? context, CancellationToken left)
        {
            AtWork.Begin();
            try
            {
                IAsyncEnumerator<T> items = sequence().GetAsyncEnumerator(left);
                await using (items.ConfigureAwait(false))
                {
                    while (await items.MoveNextAsync().ConfigureAwait(false))
                    {
                        try
                        {
                            await answer.SendAsync(items.Current, JsonPlace.Answer, default).ConfigureAwait(false);
                        }
                        catch (IpcException leaving) when (IsOfLeaving(leaving))
                        {
                            // Nobody takes the rest: what the sequence does at its end is done now.
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
                AtWork.End();
            }
        }

        /// <summary>Tells the caller what the handler threw behind its items, and who is to hear of it.</summary>
        protected void Fail(ItemStream answer, Exception thrown)
        {
            Exception exception = ErrorText.Unwrapped(thrown);
            if (IsOfLeaving(exception) && answer.IsOver)
            {
                answer.Finish();
                return;
            }
            bool told = exception is HandlerException failure
                ? answer.Fail(Message(failure, out byte[]? data), failure.HandlerCode, data)
                : answer.Fail(ErrorText.Named(exception));
            Tell(exception, told);
        }

        /// <summary>Whether it is what a handler gives up with because its caller has, which is no failure of the handler's.</summary>
        protected static bool IsOfLeaving(Exception exception) =>
            exception is OperationCanceledException
            || exception is IpcException error
                && (error.Status == IpcStatus.Cancelled || error.Status == IpcStatus.ConnectionLost || error.Status == IpcStatus.Closed);
    }
}
