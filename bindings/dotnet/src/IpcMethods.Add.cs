using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace SimpleIpc
{
    public sealed partial class IpcMethods
    {
        /// <summary>Puts a function in.</summary>
        /// <param name="name">How callers call it; any text.</param>
        /// <param name="function">
        /// What is called. What it returns is the answer. Its parameters are what System.Text.Json makes of the caller's, as for any handler.
        /// </param>
        /// <exception cref="IpcException"><see cref="IpcStatus.InvalidArgument"/> where there is one of this name.</exception>
        public void Add<TOut>(string name, Func<TOut> function) =>
            Put(name, function, Type.EmptyTypes, given =>
                Task.FromResult<object?>(function()));

        /// <inheritdoc cref="Add{TOut}(string, Func{TOut})"/>
        public void Add<T1, TOut>(string name, Func<T1, TOut> function) =>
            Put(name, function, new[] { typeof(T1) }, given =>
                Task.FromResult<object?>(function(given.Get<T1>(0))));

        /// <inheritdoc cref="Add{TOut}(string, Func{TOut})"/>
        public void Add<T1, T2, TOut>(string name, Func<T1, T2, TOut> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2) }, given =>
                Task.FromResult<object?>(function(given.Get<T1>(0), given.Get<T2>(1))));

        /// <inheritdoc cref="Add{TOut}(string, Func{TOut})"/>
        public void Add<T1, T2, T3, TOut>(string name, Func<T1, T2, T3, TOut> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3) }, given =>
                Task.FromResult<object?>(function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2))));

        /// <inheritdoc cref="Add{TOut}(string, Func{TOut})"/>
        public void Add<T1, T2, T3, T4, TOut>(string name, Func<T1, T2, T3, T4, TOut> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3), typeof(T4) }, given =>
                Task.FromResult<object?>(function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2), given.Get<T4>(3))));

        /// <summary>Puts a function in.</summary>
        /// <param name="name">How callers call it; any text.</param>
        /// <param name="function">
        /// What is called. What its task comes to is the answer. Its parameters are what System.Text.Json makes of the caller's, as for any handler.
        /// </param>
        /// <exception cref="IpcException"><see cref="IpcStatus.InvalidArgument"/> where there is one of this name.</exception>
        public void Add<TOut>(string name, Func<Task<TOut>> function) =>
            Put(name, function, Type.EmptyTypes, async given =>
                (object?)await function().ConfigureAwait(false));

        /// <inheritdoc cref="Add{TOut}(string, Func{Task{TOut}})"/>
        public void Add<T1, TOut>(string name, Func<T1, Task<TOut>> function) =>
            Put(name, function, new[] { typeof(T1) }, async given =>
                (object?)await function(given.Get<T1>(0)).ConfigureAwait(false));

        /// <inheritdoc cref="Add{TOut}(string, Func{Task{TOut}})"/>
        public void Add<T1, T2, TOut>(string name, Func<T1, T2, Task<TOut>> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2) }, async given =>
                (object?)await function(given.Get<T1>(0), given.Get<T2>(1)).ConfigureAwait(false));

        /// <inheritdoc cref="Add{TOut}(string, Func{Task{TOut}})"/>
        public void Add<T1, T2, T3, TOut>(string name, Func<T1, T2, T3, Task<TOut>> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3) }, async given =>
                (object?)await function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2)).ConfigureAwait(false));

        /// <inheritdoc cref="Add{TOut}(string, Func{Task{TOut}})"/>
        public void Add<T1, T2, T3, T4, TOut>(string name, Func<T1, T2, T3, T4, Task<TOut>> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3), typeof(T4) }, async given =>
                (object?)await function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2), given.Get<T4>(3)).ConfigureAwait(false));

        /// <summary>Puts a function in.</summary>
        /// <param name="name">How callers call it; any text.</param>
        /// <param name="function">
        /// What is called. What it returns is sent item by item, to callers who open a stream. Its parameters are what System.Text.Json makes of the caller's, as for any handler.
        /// </param>
        /// <exception cref="IpcException"><see cref="IpcStatus.InvalidArgument"/> where there is one of this name.</exception>
        public void Add<TItem>(string name, Func<IAsyncEnumerable<TItem>> function) =>
            Put(name, function, Type.EmptyTypes, given =>
                Task.FromResult<object?>(Boxed(function())));

        /// <inheritdoc cref="Add{TItem}(string, Func{IAsyncEnumerable{TItem}})"/>
        public void Add<T1, TItem>(string name, Func<T1, IAsyncEnumerable<TItem>> function) =>
            Put(name, function, new[] { typeof(T1) }, given =>
                Task.FromResult<object?>(Boxed(function(given.Get<T1>(0)))));

        /// <inheritdoc cref="Add{TItem}(string, Func{IAsyncEnumerable{TItem}})"/>
        public void Add<T1, T2, TItem>(string name, Func<T1, T2, IAsyncEnumerable<TItem>> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2) }, given =>
                Task.FromResult<object?>(Boxed(function(given.Get<T1>(0), given.Get<T2>(1)))));

        /// <inheritdoc cref="Add{TItem}(string, Func{IAsyncEnumerable{TItem}})"/>
        public void Add<T1, T2, T3, TItem>(string name, Func<T1, T2, T3, IAsyncEnumerable<TItem>> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3) }, given =>
                Task.FromResult<object?>(Boxed(function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2)))));

        /// <inheritdoc cref="Add{TItem}(string, Func{IAsyncEnumerable{TItem}})"/>
        public void Add<T1, T2, T3, T4, TItem>(string name, Func<T1, T2, T3, T4, IAsyncEnumerable<TItem>> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3), typeof(T4) }, given =>
                Task.FromResult<object?>(Boxed(function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2), given.Get<T4>(3)))));

        /// <summary>Puts a function in.</summary>
        /// <param name="name">How callers call it; any text.</param>
        /// <param name="function">
        /// What is called. The answer is null, when its task is done. Its parameters are what System.Text.Json makes of the caller's, as for any handler.
        /// </param>
        /// <exception cref="IpcException"><see cref="IpcStatus.InvalidArgument"/> where there is one of this name.</exception>
        public void Add(string name, Func<Task> function) =>
            Put(name, function, Type.EmptyTypes, async given =>
            {
                await function().ConfigureAwait(false);
                return null;
            });

        /// <inheritdoc cref="Add(string, Func{Task})"/>
        public void Add<T1>(string name, Func<T1, Task> function) =>
            Put(name, function, new[] { typeof(T1) }, async given =>
            {
                await function(given.Get<T1>(0)).ConfigureAwait(false);
                return null;
            });

        /// <inheritdoc cref="Add(string, Func{Task})"/>
        public void Add<T1, T2>(string name, Func<T1, T2, Task> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2) }, async given =>
            {
                await function(given.Get<T1>(0), given.Get<T2>(1)).ConfigureAwait(false);
                return null;
            });

        /// <inheritdoc cref="Add(string, Func{Task})"/>
        public void Add<T1, T2, T3>(string name, Func<T1, T2, T3, Task> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3) }, async given =>
            {
                await function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2)).ConfigureAwait(false);
                return null;
            });

        /// <inheritdoc cref="Add(string, Func{Task})"/>
        public void Add<T1, T2, T3, T4>(string name, Func<T1, T2, T3, T4, Task> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3), typeof(T4) }, async given =>
            {
                await function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2), given.Get<T4>(3)).ConfigureAwait(false);
                return null;
            });

        /// <summary>Puts a function in.</summary>
        /// <param name="name">How callers call it; any text.</param>
        /// <param name="function">
        /// What is called. The answer is null, when it has returned. Its parameters are what System.Text.Json makes of the caller's, as for any handler.
        /// </param>
        /// <exception cref="IpcException"><see cref="IpcStatus.InvalidArgument"/> where there is one of this name.</exception>
        public void Add(string name, Action function) =>
            Put(name, function, Type.EmptyTypes, given =>
            {
                function();
                return Task.FromResult<object?>(null);
            });

        /// <inheritdoc cref="Add(string, Action)"/>
        public void Add<T1>(string name, Action<T1> function) =>
            Put(name, function, new[] { typeof(T1) }, given =>
            {
                function(given.Get<T1>(0));
                return Task.FromResult<object?>(null);
            });

        /// <inheritdoc cref="Add(string, Action)"/>
        public void Add<T1, T2>(string name, Action<T1, T2> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2) }, given =>
            {
                function(given.Get<T1>(0), given.Get<T2>(1));
                return Task.FromResult<object?>(null);
            });

        /// <inheritdoc cref="Add(string, Action)"/>
        public void Add<T1, T2, T3>(string name, Action<T1, T2, T3> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3) }, given =>
            {
                function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2));
                return Task.FromResult<object?>(null);
            });

        /// <inheritdoc cref="Add(string, Action)"/>
        public void Add<T1, T2, T3, T4>(string name, Action<T1, T2, T3, T4> function) =>
            Put(name, function, new[] { typeof(T1), typeof(T2), typeof(T3), typeof(T4) }, given =>
            {
                function(given.Get<T1>(0), given.Get<T2>(1), given.Get<T3>(2), given.Get<T4>(3));
                return Task.FromResult<object?>(null);
            });
    }
}
